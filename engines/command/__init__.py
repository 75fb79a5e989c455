"""Any program, unmodified, under an attached recorder."""
