"""The pure judge: wait-for graph, divergence, blame, verdict. No I/O, no clock."""
