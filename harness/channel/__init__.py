"""What a supervisor and the watchdog say to each other: codec, keys, both ends. Neither side is imported here."""
