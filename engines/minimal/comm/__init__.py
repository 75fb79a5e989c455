"""Communicators: MPI, gloo, NCCL, symmetric memory, and the breadcrumbs of the device."""
