"""The native recorder: C at MPI's profiling interface, made from one table of functions and built once for every MPI."""
