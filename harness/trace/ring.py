"""The ring as its owner sees it: anonymous shared memory, made and read by the supervisor, written by the engine.

The memory has no name (memfd), so nothing can be left behind: it goes when the last process that holds it goes. It can
be read while the engine holds the GIL, is stopped, or was killed.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass

from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD, Record

_WORDS = struct.Struct(f"<{layout.BREADCRUMBS}Q")
_NO_WORDS = bytes(_WORDS.size)
CHUNK = 512  # records that are looked at in one go


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new since the last read: raw 64-byte records, new strings, and how many records were overwritten."""

    records: bytes
    strings: tuple[str, ...]
    lost: int

    def __bool__(self) -> bool:
        return bool(self.records or self.strings or self.lost)


class StringTable:
    """The strings of a ring, read in the order of their ids."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._read = 0  # bytes

    def new(self) -> list[str]:
        """Those published since the last call."""
        used = int(layout.U64.unpack_from(self._memory, layout.STRINGS_USED)[0])
        found: list[str] = []
        while self._read < used:
            at = layout.STRINGS + self._read
            if at + layout.STRING_HEAD.size > layout.RECORDS:
                break  # what the program has overwritten is no string table any more
            (size,) = layout.STRING_HEAD.unpack_from(self._memory, at)
            at += layout.STRING_HEAD.size
            found.append(self._memory[at : at + size].decode("utf-8", "replace"))
            self._read += layout.STRING_HEAD.size + size
        return found


def new_ring(rank: int, world: int, capacity: int = layout.DEFAULT_CAPACITY) -> int:
    """The descriptor of a fresh ring."""
    fd = os.memfd_create(f"lockstep-ring-{rank}")
    os.ftruncate(fd, layout.ring_bytes(capacity))
    os.pwrite(fd, layout.HEADER.pack(layout.MAGIC, layout.VERSION, rank, world, capacity), 0)
    return fd


class Ring:
    """One rank's ring. The supervisor creates it before the engine starts; only the engine writes events.

    Over the size we keep: nobody else knows where a word lies in that memory, and most methods tell one word of it.
    """

    def __init__(self, rank: int, world: int, capacity: int = layout.DEFAULT_CAPACITY) -> None:
        fd = new_ring(rank, world, capacity)
        os.set_inheritable(fd, True)
        self._open(fd, capacity, layout.ring_bytes(capacity))

    @classmethod
    def adopt(cls, fd: int) -> Ring:
        """The ring that a process made itself and handed over; it belongs to the caller now. ValueError when it is none."""
        size = os.fstat(fd).st_size
        if size < layout.RECORDS:
            raise ValueError(f"{size} bytes are no ring")
        magic, version, _, _, capacity = layout.HEADER.unpack(os.pread(fd, layout.HEADER.size, 0))
        native = size == layout.NATIVE_BYTES and capacity == layout.DEFAULT_CAPACITY
        if magic != layout.MAGIC or version != layout.VERSION or not (native or size == layout.ring_bytes(capacity)):
            raise ValueError(f"no ring of version {layout.VERSION}")
        ring = cls.__new__(cls)
        ring._open(fd, capacity, size)
        return ring

    def _open(self, fd: int, capacity: int, size: int) -> None:
        self.fd = fd
        self.memory = mmap.mmap(fd, size)
        self.native = size == layout.NATIVE_BYTES  # whether the native recorder's tables are there
        self.capacity = capacity
        self._next = 1  # number of the next record to read
        self._strings = StringTable(self.memory)

    def read(self) -> Delta:
        """Everything written since the last call, in order. Never blocks, never waits for the writer."""
        lost = self._skip_overwritten()
        parts: list[bytes] = []
        while part := self._records():
            parts.append(part)
            self._next += len(part) // RECORD.size
        # Strings are published before the records that name them, so they are read after.
        return Delta(b"".join(parts), tuple(self._strings.new()), lost)

    @property
    def read_up_to(self) -> int:
        """The number of the last record that was read, or passed over."""
        return self._next - 1

    def skip_to(self, number: int) -> int:
        """Leave all records up to this one unread; how many those are."""
        first, self._next = self._next, max(self._next, number + 1)
        return self._next - first

    def strings(self) -> tuple[str, ...]:
        """The strings that are new."""
        return tuple(self._strings.new())

    def entered(self, comm: int) -> int:
        """Highest collective number that the engine entered on a communicator id; true even after an overrun."""
        return int(layout.U64.unpack_from(self.memory, layout.COMM_TABLE + 8 * comm)[0])

    def threads(self) -> int:
        """How many threads have ever written; true even after an overrun."""
        return int(layout.U64.unpack_from(self.memory, layout.THREADS)[0])

    def written(self) -> tuple[int, int]:
        """Of the native recorder: the word of its lock, odd while it writes, and the number of the last event."""
        lock = int(layout.U64.unpack_from(self.memory, layout.LOCK)[0])
        return lock, int(layout.U64.unpack_from(self.memory, layout.LAST)[0])

    def known_handlers(self) -> int:
        """The signals, from bit 0 on, whose handler is of a library that calls nobody."""
        return int(layout.U64.unpack_from(self.memory, layout.HANDLERS)[0])

    def has_python(self) -> bool:
        """Whether Python writes into the native recorder's ring too, and answers what is asked."""
        return bool(layout.U64.unpack_from(self.memory, layout.PYTHON)[0])

    def breadcrumbs(self) -> dict[int, int]:
        """What the device has written, by communicator id; `Crumb.parse` reads it. To be read before the events."""
        raw = self.memory[layout.BREADCRUMB_TABLE : layout.BREADCRUMB_TABLE + _WORDS.size]
        if raw == _NO_WORDS:
            return {}
        return {comm: word for comm, word in enumerate(_WORDS.unpack(raw)) if word}

    def release(self) -> None:
        """Let a parked engine go."""
        layout.U64.pack_into(self.memory, layout.RELEASE, 1)

    def acknowledge(self, number: int) -> None:
        """Tell the engine that the watchdog has its events up to `number`."""
        layout.U64.pack_into(self.memory, layout.ACKNOWLEDGED, number)

    def close(self) -> None:
        """Drop the mapping and the descriptor; the memory goes with the last holder."""
        self.memory.close()
        os.close(self.fd)

    def _offset(self, number: int) -> int:
        return layout.RECORDS + (number - 1) % self.capacity * RECORD.size

    def _number_at(self, number: int) -> int:
        end = self._offset(number) + RECORD.size
        return int(layout.U64.unpack_from(self.memory, end - 8)[0])

    def _records(self) -> bytes:
        """The raw records from the next on that are there, as many as lie in a row. Checked on both sides of the copy."""
        first = self._offset(self._next)
        end = min(first + CHUNK * RECORD.size, layout.ring_bytes(self.capacity))
        there = self._there(first, end)
        raw = self.memory[first : first + there * RECORD.size]
        return raw[: self._there(first, first + there * RECORD.size) * RECORD.size]

    def _there(self, first: int, end: int) -> int:
        """How many records in a row have the number that they must have."""
        with memoryview(self.memory) as whole, whole[first:end].cast("Q") as words:
            numbers = words[7::8].tolist()  # the number is the last of the eight words of a record
        for place, number in enumerate(numbers):
            if number != self._next + place:
                return place
        return len(numbers)

    def _skip_overwritten(self) -> int:
        """Move past records that the writer has overtaken; how many were lost."""
        first = self._next
        while (found := self._number_at(self._next)) > self._next:
            # A margin of an eighth, so that the writer does not overtake the reader again at once.
            self._next = found - self.capacity + self.capacity // 8
        return self._next - first


def decode(records: bytes) -> list[Record]:
    """Raw records as `Record`s."""
    return [Record._make(fields) for fields in RECORD.iter_unpack(records)]
