"""What goes wrong on purpose or by an error: faults, crashes, the engine's own hang detector."""
