"""An engine of its own: what Lockstep needs to judge it, and a rank."""
