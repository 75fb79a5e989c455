"""The watchdog, the supervisors, and what they say to each other."""
