"""The files below deploy/ and docs/cluster.md."""
