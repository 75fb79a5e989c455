"""Tests of events, ring, recorder and the fold of events."""
