"""Tests of the engine `source`, on small trees of our own."""
