"""Tests of runs and of the command line."""
