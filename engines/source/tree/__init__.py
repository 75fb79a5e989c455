"""The upstream working tree, read: modules, classes, and the code of them that runs."""
