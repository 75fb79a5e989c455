"""One process that the recorder attached itself to, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import struct
from collections.abc import Iterator
from typing import Any

from lockstep.harness.channel.to_watchdog import FlightRecord, Stands
from lockstep.harness.host.holders import Inherited
from lockstep.harness.host.nccl_threads import hears_of_ends
from lockstep.harness.host.proc import Stat
from lockstep.harness.host.wakers import wakers
from lockstep.harness.supervisor.native_reader import NativeReader
from lockstep.harness.supervisor.ring_reader import RingReader
from lockstep.harness.supervisor.ring_socket import Handover
from lockstep.harness.supervisor.silent_python import SilentPython
from lockstep.harness.supervisor.sleepers import of_threads

# struct pidfd_info: what is asked for and told, ..., exit status
INFO = struct.Struct("<Q52xi")
INFO_EXIT = 1 << 3
GET_INFO = 3 << 30 | INFO.size << 16 | 0xFF << 8 | 11


class Attached:
    """Its ring, the line on which it answers, and its end. It need not be a child of the supervisor."""

    def __init__(self, serial: int, arrival: Handover, outside: Inherited) -> None:
        self.serial = serial
        self.outside = outside  # what the command shares with others
        self.pid = arrival.pid
        argv = arrival.hello.get("argv")
        self.argv = tuple(map(str, argv)) if isinstance(argv, list) else ()
        self.feed: RingReader | NativeReader = (
            NativeReader(arrival.ring, serial) if arrival.ring.native else RingReader(arrival.ring, serial)
        )
        self.silent = SilentPython(self.pid)
        self.native = arrival.ring.native
        self.ended = False
        self._line = arrival.line
        self._heard = b""
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:  # gone already
            self._pidfd = -1

    @property
    def answers_itself(self) -> bool:
        """Whether Python runs in it; a program without it is looked at from outside."""
        return not self.native or self.feed.ring.has_python()

    def ask(self, **question: Any) -> None:
        """Send a question. A process that is stopped or holds its GIL answers later, or never."""
        with contextlib.suppress(OSError):
            self._line.send(json.dumps(question).encode() + b"\n")

    def answers(self) -> list[Stands | FlightRecord]:
        """What it has answered since the last call. What is no answer is left out: the process is the user's."""
        with contextlib.suppress(OSError):
            while chunk := self._line.recv(1 << 20):
                self._heard += chunk
        *whole, self._heard = self._heard.split(b"\n")
        found: list[Stands | FlightRecord] = []
        for raw in whole:
            with contextlib.suppress(ValueError, RecursionError):
                found += self._answer(json.loads(raw))
        return found

    def _answer(self, answer: Any) -> Iterator[Stands | FlightRecord]:
        match answer:
            case {"dump": str(text)}:
                yield FlightRecord(self.serial, text)
            case {
                "epoch": int(epoch),
                "number": int(number),
                "others": [*others],
                "hidden": [*hidden],
                "issued": int(issued),
            }:
                texts, operations = tuple(map(str, others)), tuple(map(json.dumps, hidden))
                held, awake = self._asleep(answer.get("asleep", []))
                woken = tuple(wakers(self.pid, tells_handlers=True))
                yield Stands(
                    self.serial,
                    epoch,
                    number,
                    (*texts, *awake),
                    operations,
                    max(issued, 0),
                    held,
                    woken,
                    hears_of_ends(self.pid),
                )

    def _asleep(self, threads: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of the threads that may sleep, as it says itself: those that do by the kernel, and doubts about the others."""
        try:
            held, awake = of_threads(self.pid, threads, self.outside)
        except (LookupError, TypeError, ValueError, OSError) as error:
            return (), (f"process {self.pid} tells of its threads what makes no sense ({type(error).__name__})",)
        return tuple(held), tuple(map(str, awake))

    def gone(self) -> bool:
        """Whether the process has ended; a zombie has."""
        return self._pidfd < 0 or bool(select.select([self._pidfd], [], [], 0)[0])

    def exit_code(self) -> int | None:
        """How it ended, as far as that can still be seen; negative: by a signal. Its parent may have asked first."""
        with contextlib.suppress(OSError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)  # adopted by the supervisor
            if pid:
                return os.waitstatus_to_exitcode(status)
        # Its parent may ask between two looks: who had not been asked for at the first may be gone at the second.
        found = self._told_code()
        with contextlib.suppress(OSError, ValueError, IndexError):
            if found is None and (stat := Stat.of(self.pid)).ended:
                return os.waitstatus_to_exitcode(stat.wait_status)
        return self._told_code() if found is None else found

    def _told_code(self) -> int | None:
        """As Linux 6.15 and later tell it when the parent has asked. One that was gone at once has no descriptor."""
        with contextlib.suppress(OSError, ValueError):
            told = bytearray(INFO.size)
            INFO.pack_into(told, 0, INFO_EXIT, 0)
            fcntl.ioctl(self._pidfd, GET_INFO, told)
            mask, status = INFO.unpack(told)
            if mask & INFO_EXIT:
                return os.waitstatus_to_exitcode(status)
        return None

    def close(self) -> None:
        """Let go of it."""
        self._line.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
