"""Tests on a real engine, vLLM on CPU, in an environment of its own: `make test-vllm`."""
