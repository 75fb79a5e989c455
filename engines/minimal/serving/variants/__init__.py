"""How engines differ while requests are decoded."""
