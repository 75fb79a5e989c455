"""These tests take their own environment and several minutes: they are collected by `make test-ray` only."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "LOCKSTEP_RAY" in os.environ else ["test_*.py"]
