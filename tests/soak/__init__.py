"""The soak itself: it finds what it looks for."""
