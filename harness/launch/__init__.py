"""MPI launchers, and what a machine offers."""
