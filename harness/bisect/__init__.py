"""Commits of an engine's repository, and the first of them that hangs."""
