"""Inputs that were changed at random, given to everything that reads what others have written."""
