"""Which collectives of a library ever pair when ranks enter different ones: what harness/judge/pairs.py was measured by."""
