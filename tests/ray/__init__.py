"""Tests on another launcher of engines, actors of Ray, in an environment of its own: `make test-ray`."""
