"""The size of the model, for the rank that has it and the harness, which checks what can be dealt. Standard library only."""

LAYERS = 2
HIDDEN = 64
HEADS = 8
HEAD_DIM = HIDDEN // HEADS
BYTES_PER_ELEMENT = 4  # float32
EXPERTS = 8
VOCABULARY = 128
