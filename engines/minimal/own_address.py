"""The address under which ranks on other hosts find this one."""

from __future__ import annotations

import os


def own_address() -> str:
    """As the harness says; the loopback where all ranks are on one host."""
    return os.environ.get("LOCKSTEP_ADDRESS", "127.0.0.1")
