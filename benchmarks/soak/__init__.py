"""Launches in a row while the machine is busy and parts of them are stopped or killed."""
