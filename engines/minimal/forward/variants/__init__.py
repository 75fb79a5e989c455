"""How engines differ in a forward's agreements."""
