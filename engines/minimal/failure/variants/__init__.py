"""How engines differ in what a failed rank, or a hang, does to the others."""
