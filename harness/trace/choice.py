"""The one choice of a decision that has a word of its own; all others are the engine's."""

LEFT_OUT = "left-out"  # nothing is done where others do something: told as `left out`, not as a thing that was chosen
