"""The benchmark that runs programs of others and holds what is said of them against the truth."""
