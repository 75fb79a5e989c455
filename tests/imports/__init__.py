"""Configs of upstream engines as scenarios."""
