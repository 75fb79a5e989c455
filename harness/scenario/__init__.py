"""From YAML to typed cases."""
