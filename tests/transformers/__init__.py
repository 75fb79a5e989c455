"""Tests on Hugging Face transformers with tensor parallelism on CPU: part of `make test-vllm`, whose environment has it."""
