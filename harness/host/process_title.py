"""The command line and the environment that others see of a process (ps, /proc), written anew by the process itself.

A process that was forked shows those of the one that it came from. Nothing but room that was left for it is written over:
libraries may hold pointers to the rest.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lockstep.harness.environment import ROOM

ROOM_BYTES = 4096
FILL = "-" * 1024  # the last word of a command line that others may be written over
FIELDS = slice(45, 49)  # of /proc/PID/stat behind the name: where arguments and environment begin and end


def room() -> dict[str, str]:
    """The variable that leaves room."""
    return {ROOM: "-" * ROOM_BYTES}


class ProcessTitle:
    """Where both lie in this process. Made before anything is forked: room is found by what is in it."""

    def __init__(self) -> None:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        self._arguments, arguments_end, environment, environment_end = map(int, fields[FIELDS])
        self._arguments_bytes = arguments_end - self._arguments
        self._environment = 0
        if environment:  # else the kernel does not tell
            block = ctypes.string_at(environment, environment_end - environment)
            at = (b"\0" + block).find(f"\0{ROOM}=".encode())
            self._environment = environment + at if at >= 0 else 0
        os.environ.pop(ROOM, None)

    def write(self, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        """Show this command line, and these variables beside those that the first of these processes was started with.

        What has no room is left out; variables that come first are surest to have it.
        """
        if self._arguments:
            _put(self._arguments, self._arguments_bytes, [os.fsencode(word) for word in argv])
        if self._environment:
            pairs = [os.fsencode(f"{name}={value}") for name, value in variables.items()]
            _put(self._environment, len(ROOM) + 1 + ROOM_BYTES + 1, pairs)


def _put(address: int, size: int, words: Sequence[bytes]) -> None:
    block = b""
    for word in words:
        if len(block) + len(word) + 1 <= size:
            block += word + b"\0"
    ctypes.memmove(address, block.ljust(size, b"\0"), size)
