"""What ranks tell each other beside tensors: pipeline stages, requests, steps."""
