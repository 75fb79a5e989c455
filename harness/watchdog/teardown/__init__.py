"""Nothing stays: the end of ranks, supervisors, launcher, and of what they left on any host."""
