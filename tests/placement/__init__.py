"""Tests of harness/placement."""
