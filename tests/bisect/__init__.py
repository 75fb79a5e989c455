"""Tests of harness.bisect."""
