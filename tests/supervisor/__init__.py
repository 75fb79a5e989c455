"""Tests of harness/supervisor."""
