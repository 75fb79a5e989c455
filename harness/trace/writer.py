"""How a rank's records and strings get into its ring: one call under the GIL a record, from any thread, without waiting."""

from __future__ import annotations

import itertools
import mmap
import threading
import time

from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD, Kind

_pack = RECORD.pack_into
_pack_u64 = layout.U64.pack_into
_now = time.monotonic_ns
_local = threading.local()
MAX_STRING = 16_384
FULL = "<string table full>"


def forget_thread() -> None:
    """In a forked child: the thread's number belongs to the parent's recorder."""
    _local.__dict__.clear()


class RecordWriter:
    """Writes records of one rank, whatever they mean. A base and no collaborator: a further call would cost each event."""

    def __init__(self, memory: mmap.mmap | bytearray, capacity: int) -> None:
        self.memory = memory
        self._capacity = capacity
        self._numbers = itertools.count(1)
        self._strings: dict[str, int] = {}
        self._string_lock = threading.Lock()
        self._string_used = 0
        self._threads = itertools.count(0)
        self.last = 0
        for text in ("", "send", "recv"):  # a full table must not turn a message into something else
            self.string(text)
        self._thread()

    def write(
        self, kind: int, comm: int, seq: int, a: int = 0, b: int = 0, c: int = 0, tag: int = 0, size: int = 0, site: int = 0
    ) -> None:
        """Write one record."""
        try:
            thread = _local.thread
        except AttributeError:
            thread = self._thread()
        number = self.last = next(self._numbers)
        at = layout.RECORDS + (number - 1) % self._capacity * 64
        _pack(self.memory, at, _now(), kind, thread, comm, seq, a, b, c, tag, size, site, 0, number)

    def string(self, text: str, limit: int = MAX_STRING) -> int:
        """The id of a string in the table; strings repeat, so the table stays small."""
        found = self._strings.get(text)
        return self._intern(text, limit) if found is None else found

    def text(self, ident: int) -> str:
        """The string of an id."""
        return next((text for text, found in self._strings.items() if found == ident), "")

    def _intern(self, text: str, limit: int) -> int:
        with self._string_lock:
            if text in self._strings:
                return self._strings[text]
            raw = text.encode("utf-8", "replace")[:limit]
            head = layout.STRING_HEAD.size
            room = layout.STRING_BYTES - self._string_used - head - 64  # 64: for FULL itself
            if len(raw) > room:
                text, raw = FULL, FULL.encode()
                if FULL in self._strings:
                    return self._strings[FULL]
            at = layout.STRINGS + self._string_used
            layout.STRING_HEAD.pack_into(self.memory, at, len(raw))
            self.memory[at + head : at + head + len(raw)] = raw
            self._string_used += head + len(raw)
            ident = self._strings[text] = len(self._strings)
            _pack_u64(self.memory, layout.STRINGS_USED, self._string_used)
            return ident

    def _thread(self) -> int:
        with self._string_lock:  # so that the count never goes back
            _local.thread = ident = next(self._threads)
            _pack_u64(self.memory, layout.THREADS, ident + 1)
        self.write(Kind.WAITER, 0, 0, self.string(threading.current_thread().name), size=threading.get_native_id())
        return ident

    def word(self, offset: int) -> int:
        """A word that the supervisor writes."""
        return int(layout.U64.unpack_from(self.memory, offset)[0])
