"""IP addresses of both versions as text: this host's loopback, and how an address is written together with a port.

Standard library only: ranks and supervisors import it.
"""

from __future__ import annotations

import contextlib
import socket

V4, V6 = "127.0.0.1", "::1"
TCP = "tcp://"


def loopback() -> str:
    """That of version 4; that of version 6 on a host that has no other."""
    for address in (V4, V6):
        with contextlib.suppress(OSError), socket.socket(family(address), socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            return address
    return V4  # what is wrong with it is said where it is used


def is_loopback(address: str) -> bool:
    """Whether nobody but this host can speak to it."""
    return address.startswith("127.") or address == V6


def family(address: str) -> socket.AddressFamily:
    """By which sockets are made that use it."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def with_port(host: str, port: int) -> str:
    """`127.0.0.1:80`, `[::1]:80`, `localhost:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_port(text: str) -> tuple[str, int]:
    """The host and the port of what `with_port` makes, also behind `tcp://`. Raises ValueError."""
    host, _, port = text.removeprefix(TCP).rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
