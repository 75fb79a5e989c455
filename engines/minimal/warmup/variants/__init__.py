"""How engines differ in their warm-up."""
