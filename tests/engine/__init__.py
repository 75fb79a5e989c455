"""Tests of the minimal engine."""
