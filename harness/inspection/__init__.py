"""A job that somebody else has started: its processes are found, looked at from outside, and left as they are."""
