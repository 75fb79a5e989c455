"""Tests of harness/channel."""
