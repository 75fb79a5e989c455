"""Runs of many cases."""
