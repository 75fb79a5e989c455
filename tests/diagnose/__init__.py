"""`lockstep diagnose`."""
