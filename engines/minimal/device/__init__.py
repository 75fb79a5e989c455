"""Devices: CPU and CUDA, their set-up, KV pool and memory."""
