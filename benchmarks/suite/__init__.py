"""Programs that somebody else wrote and knows the truth of, run under `lockstep watch`: how often it is right."""
