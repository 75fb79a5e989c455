"""What Lockstep measures. Engines know `harness.trace` and `harness.scenario`, nothing else of the harness."""
