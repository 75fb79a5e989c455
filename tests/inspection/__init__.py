"""Tests of harness/inspection."""
