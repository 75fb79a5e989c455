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
LOCK = 144  # u64, odd while the native recorder writes; 0 in a ring that Python writes
LAST = 152  # u64, number of the last event, by the native recorder
NATIVE = 160  # u64, where the native recorder's tables begin; 0: there are none
PYTHON = 168  # u64, 1: the process has Python, which answers questions
COMMS_USED = 176  # u64, of the tables: communicators announced
LANES_USED = 184  # u64, ... lanes of messages
KEPT_COUNT = 192  # u64, ... events of rare kinds, more than KEPT if some found no room
HANDLERS = 200  # u64, by the native recorder: signals (from bit 0) whose handler is of a library that calls nobody
ACKNOWLEDGED = 136  # u64, written by the supervisor: number of the last event that the watchdog has
COMM_TABLE = 4096  # COMMS x u64: highest collective number entered (of a device: handed to it), by communicator id
BREADCRUMB_TABLE = 8192  # BREADCRUMBS x u64, by communicator id, written by the device: see `Crumb`
STRINGS = 12288  # the breadcrumbs have a page of their own, which the device maps
RECORDS = STRINGS + STRING_BYTES

# The native recorder's tables, behind the records: what the events say so far, whatever part of them was overwritten.
SLOTS = 250  # of threads: the last ENTER, kernel's id, inside, how many parts, the parts
PARTS = 64  # of a wait for several: those that are written down
SLOT_BYTES = 8192
NATIVE_COMMS = 65_536  # u64 each, as COMM_TABLE
LANES = 65_536  # see LANE
KEPT = 16_384  # records
SLOT_HEAD = struct.Struct("<64s3I4x")
# Comm, peer, tag; sent, received, taken by all, by wild ones, cancelled, wild ones by what was asked.
LANE = struct.Struct("<Iii4x6q")
SLOTS_AT = RECORDS + DEFAULT_CAPACITY * RECORD.size
ENTERED_AT = SLOTS_AT + SLOTS * SLOT_BYTES
LANES_AT = ENTERED_AT + NATIVE_COMMS * 8
KEPT_AT = LANES_AT + LANES * LANE.size
NATIVE_BYTES = KEPT_AT + KEPT * RECORD.size

U64 = struct.Struct("<Q")
STRING_HEAD = struct.Struct("<I")


def ring_bytes(capacity: int) -> int:
    """The size in bytes of a ring that holds `capacity` events."""
    return RECORDS + capacity * RECORD.size
