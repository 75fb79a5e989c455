"""The native recorder as a process with Python sees it: one ring for both, written under the lock of the native one.

MPI's functions are then recorded where every call passes, and its Python module is left as it is.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from lockstep.harness.environment import NATIVE
from lockstep.harness.trace import layout
from lockstep.harness.trace.event import Kind
from lockstep.harness.trace.handles import Comm
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.tables import threads_inside

_VERBS = {"send": 1, "recv": 2}
_COUNTED = (Kind.ENTER, Kind.POST, Kind.PART)
# Where this version of Python keeps what tells a thread's line: see harness/native/sites.c. Tried before it is relied upon.
_PLACES = {
    (3, 11): (56, 8, 32, 48, 56, 184, 112, 120, 136, 32, 48),
    (3, 12): (56, 0, 0, 8, 56, 192, 112, 120, 136, 32, 40),
}
_PROBE = "def probe(ask, places):\n\n    return ask(places)\n"
_PROBED = "<lockstep lines>"


class Native:
    """The library that was loaded before the program."""

    def __init__(self, library: Any) -> None:
        self._library = library
        library.lockstep_write.restype = ctypes.c_uint64
        library.lockstep_write.argtypes = (
            ctypes.c_uint, ctypes.c_uint, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint, ctypes.c_int, ctypes.c_int,
            ctypes.c_int64, ctypes.c_uint, ctypes.c_int,
        )  # fmt: skip
        library.lockstep_string.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
        library.lockstep_string.restype = ctypes.c_uint
        self.write: Callable[..., int] = library.lockstep_write
        self.comm: Callable[[], int] = library.lockstep_comm

    def ring(self) -> tuple[memoryview, int] | None:
        """Its memory and the line to the supervisor; None: nobody reads it."""
        place = ctypes.c_void_p()
        line = self._library.lockstep_ring(ctypes.byref(place))
        if line < 0 or not place.value:
            return None
        return memoryview((ctypes.c_ubyte * layout.NATIVE_BYTES).from_address(place.value)).cast("B"), line

    def string(self, raw: bytes) -> int:
        """The id of a string."""
        return int(self._library.lockstep_string(raw, len(raw)))

    def answers(self, call: Callable[[], object]) -> bool:
        """Whether a call that asks MPI whether it is initialized comes by here."""
        before = self._library.lockstep_seen()
        call()
        return bool(self._library.lockstep_seen() != before)

    def finalizing(self) -> None:
        """Python has ended, and MPI is finalized next."""
        self._library.lockstep_finalizing()

    def learn_lines(self, recorder: Recorder) -> None:
        """Have it read the lines of the program, if it can do so in this Python."""
        places = _PLACES.get(sys.version_info[:2])
        if places is None or sys.implementation.name != "cpython" or hasattr(sys, "gettotalrefcount"):
            return
        scope: dict[str, Any] = {}
        exec(compile(_PROBE, _PROBED, "exec"), scope)
        found = scope["probe"](self._library.lockstep_python, (ctypes.c_int * len(places))(*places))
        self._library.lockstep_python_lines(int(found == recorder.string(f"{_PROBED}:3 in probe")))


def find() -> Native | None:
    """The native recorder, if it is in this process."""
    if os.environ.get(NATIVE) != "1":
        return None
    library = ctypes.PyDLL(None)  # its calls are short, and the lock of Python is kept meanwhile
    return Native(library) if hasattr(library, "lockstep_write") else None


class NativeRecorder(Recorder):
    """Writes through the native recorder, so that both have one order, one table of strings and one number for a thread."""

    def __init__(self, native: Native, memory: memoryview) -> None:
        # Not the base's own beginning, which would write past the lock.
        self.native = native
        self.memory = memory  # type: ignore[assignment]  # whatever can be packed into
        self.rank = -1
        self.last = 0
        self._write, self._raw_string = native.write, native.string
        self._capacity = layout.DEFAULT_CAPACITY
        self._strings: dict[str, int] = {}
        self._string_lock = threading.Lock()
        self._verbs: dict[int, int] = {}
        self._comms = map(self._comm, itertools.count())  # type: ignore[assignment]
        self._instances: dict[tuple[str, str, tuple[int, ...]], int] = {}
        self._host = Comm(0, "", ())
        for text in ("", "send", "recv"):
            self.string(text)
        native.learn_lines(self)

    def number(self) -> int:
        """That of the last event, whoever wrote it."""
        return self.word(layout.LAST)

    def _comm(self, _: int) -> int:
        number = self.native.comm()
        return number if number >= 0 else layout.COMMS

    def write(
        self, kind: int, comm: int, seq: int, a: int = 0, b: int = 0, c: int = 0, tag: int = 0, size: int = 0, site: int = 0
    ) -> None:
        """Write one record."""
        verb = self._verbs.get(a, 0) if kind in _COUNTED else 0
        self.last = self._write(kind, comm, seq, a, b, c, tag, size, site, verb)

    def _intern(self, text: str, limit: int) -> int:
        raw = text.encode("utf-8", "replace")[:limit]
        found = self._strings[text] = self._raw_string(raw)
        if verb := _VERBS.get(text.partition(" ")[0]):
            self._verbs[found] = verb
        return found

    def inside(self) -> set[int]:
        """The threads that are in a call of MPI whose wait is recorded, by the kernel's ids."""
        return threads_inside(self.memory)
