"""Tests of watchdog and supervisors, with real processes."""
