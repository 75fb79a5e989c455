"""What supervisors and watchdog say to each other: msgpack maps over ZeroMQ, encrypted and authenticated by CURVE.

Every message is a map with `type`. From a supervisor: hello, here, delta, output, ended, left, confirmed, stacks, beat,
bye. From the watchdog: call, confirm, acknowledge, stacks, release, end, leave, beat.
"""

from __future__ import annotations

from typing import Any

import msgpack


def encode(kind: str, **fields: Any) -> bytes:
    """One message."""
    return bytes(msgpack.packb({"type": kind, **fields}))


def decode(raw: bytes) -> dict[str, Any]:
    """The inverse of `encode`."""
    message: dict[str, Any] = msgpack.unpackb(raw, strict_map_key=False)
    return message
