"""Warm-up code of an upstream checkout, grafted onto the minimal engine."""
