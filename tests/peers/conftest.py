"""These tests fetch the suites of others and take an hour: they are collected by `make test-peers` only."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "LOCKSTEP_PEERS" in os.environ else ["test_*.py"]
