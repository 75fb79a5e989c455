"""Where everything lies in a ring: header, communicator table, breadcrumbs, strings, records. Offsets in bytes."""

from __future__ import annotations

import struct

from lockstep.harness.environment import RING_FD as RING_FD
from lockstep.harness.trace.event import RECORD

MAGIC = b"LOCKSTEP"
VERSION = 2

DEFAULT_CAPACITY = 65_536  # events; a whole start-up
STRING_BYTES = 1 << 20
COMMS = 256
BREADCRUMBS = 256

HEADER = struct.Struct("<8sIiII")  # magic, version, rank, world, capacity
PID = 64  # u64, written by the engine
STRINGS_USED = 80  # u64, bytes of the string region in use
THREADS = 88  # u64, threads that have ever written, by the engine
RELEASE = 128  # u64, written by the supervisor: 0 park, 1 finish
ACKNOWLEDGED = 136  # u64, written by the supervisor: number of the last event that the watchdog has
COMM_TABLE = 4096  # COMMS x u64: highest collective number entered (of a device: handed to it), by communicator id
BREADCRUMB_TABLE = 8192  # BREADCRUMBS x u64, by communicator id, written by the device: see `Crumb`
STRINGS = 12288  # the breadcrumbs have a page of their own, which the device maps
RECORDS = STRINGS + STRING_BYTES

U64 = struct.Struct("<Q")
STRING_HEAD = struct.Struct("<I")


def ring_bytes(capacity: int) -> int:
    """The size in bytes of a ring that holds `capacity` events."""
    return RECORDS + capacity * RECORD.size
