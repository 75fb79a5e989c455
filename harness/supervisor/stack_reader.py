"""Takes the stacks of processes that go on, in a thread of its own: nobody is stopped, and events and beats are sent."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING

from lockstep.harness.channel.to_watchdog import Stacks, StacksDone
from lockstep.harness.host import stacks

if TYPE_CHECKING:
    from lockstep.harness.channel.supervisor_end import Line

TIMEOUT_S = 10.0  # of one process
TRIES = 3  # a stack that moves while it is read may not be one


class StackReader:
    """`own`: the processes by which it reads, which are none of the program's. Look at them while you hold `starting`."""

    def __init__(self) -> None:
        self.own: set[int] = set()
        self.starting = threading.Lock()
        self._found: SimpleQueue[Stacks | StacksDone] = SimpleQueue()

    def begin(self, number: int, processes: Mapping[int, int]) -> None:
        """Read those of these process ids, each with its number among the processes that have come, or -1."""
        work = (number, dict(processes))
        threading.Thread(target=self._read_all, args=work, name="stacks", daemon=True).start()

    def send(self, line: Line) -> None:
        """Send what was read since; in the thread that owns the line."""
        while not self._found.empty():  # nobody else takes anything out
            line.send(self._found.get())

    def _read_all(self, number: int, processes: Mapping[int, int]) -> None:
        for pid, serial in processes.items():
            text, error = "", ""
            for _ in range(TRIES):
                text, error = self._read(pid)
                if not error:
                    break
            self._found.put(Stacks(text, error, pid, serial, number))
        self._found.put(StacksDone(number))

    def _read(self, pid: int) -> tuple[str, str]:
        command = stacks.command(pid, gently=True)
        if command is None:
            return "", stacks.NO_TOOL
        try:
            with self.starting:
                reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.own.add(reader.pid)
        except OSError as error:
            return "", f"py-spy cannot be started: {error}"
        try:
            out, err = reader.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            reader.kill()
            reader.communicate()
            return "", f"py-spy gave no answer within {TIMEOUT_S:.0f} s"
        finally:
            with self.starting:
                self.own.discard(reader.pid)
        return stacks.told(reader.returncode, out, err)
