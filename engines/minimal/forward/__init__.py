"""One forward pass: inputs, graphs, the compiler's cache."""
