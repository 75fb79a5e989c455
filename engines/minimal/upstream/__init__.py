"""Configs of TensorRT-LLM, vLLM and SGLang as they are, and the sections of a scenario that they come to."""
