"""What the watchdog knows of ranks and processes."""
