"""This machine: processes, shared memory and folders left on it, stacks, GPUs."""
