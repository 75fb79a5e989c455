"""TensorRT-LLM: what the adaptor knows of it, and the stand-ins for what its warm-up touches."""
