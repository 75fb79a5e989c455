"""How engines differ in quotas, prefixes and the host tier."""
