"""How engines differ in what ranks tell each other beside tensors."""
