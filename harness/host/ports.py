"""Ports of this host."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from pathlib import Path

from lockstep.harness.ip_address import V4, loopback, with_port

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


def local_port() -> str:
    """A free port with the name by which this host knows itself: an address where the name may mean one that it lacks."""
    here = loopback()
    return with_port("localhost" if here == V4 else here, free_port())


def _bound(port: int) -> int:
    """A port, of both versions where this host has both. Raises OSError where somebody has it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("", port))
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
    with socket.socket() as probe:
        probe.bind(("", port))
        return int(probe.getsockname()[1])


def _given() -> tuple[int, int]:
    """The first and the last of the ports that the kernel gives to connections."""
    with contextlib.suppress(OSError, ValueError):
        low, high = GIVEN.read_text().split()
        return int(low), int(high)
    return FIRST, (1 << 16) - 1
