"""Ports of this host."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

FIRST = 10_000  # below are those of services
TRIES = 50
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A TCP port of this host that nobody uses now, and that no connection gets by itself before it is used."""
    chance = random.SystemRandom()
    low, high = _given()
    others = [*range(FIRST, low), *range(high + 1, 1 << 16)]
    for port in chance.sample(others, min(TRIES, len(others))):
        with contextlib.suppress(OSError):
            return _bound(port)
    return _bound(0)


def _bound(port: int) -> int:
    with socket.socket() as probe:
        probe.bind(("", port))
        return int(probe.getsockname()[1])


def _given() -> tuple[int, int]:
    """The first and the last of the ports that the kernel gives to connections."""
    with contextlib.suppress(OSError, ValueError):
        low, high = GIVEN.read_text().split()
        return int(low), int(high)
    return FIRST, (1 << 16) - 1
