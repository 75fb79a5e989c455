"""Upstream code on a rank of the minimal engine: what it stands on, and what is noted of it."""
