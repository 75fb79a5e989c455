"""Warm-up in upstream's order: autotuner, captures, guards."""
