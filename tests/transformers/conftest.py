"""These tests take the environment of vLLM and minutes: they are collected by `make test-vllm` only."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "LOCKSTEP_VLLM" in os.environ else ["test_*.py"]
