"""A page of a run while it goes on, on loopback: by a process of its own that reads files and asks as `peek` does."""
