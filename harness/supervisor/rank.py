"""The supervisor: what the MPI launcher starts for each rank. It starts the engine as its child and outlives it.

It forwards the engine's events and output to the watchdog, answers its questions, and ends the engine. It holds back
the engine's end from the launcher, which would otherwise kill the peers. It decides nothing. It imports neither torch
nor MPI, and starts the engine before it imports anything slow.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING, Any

from lockstep.harness.host import processes
from lockstep.harness.supervisor.base import Service, serve
from lockstep.harness.supervisor.ring_reader import Feed
from lockstep.harness.trace import layout
from lockstep.harness.trace.ring import Ring

if TYPE_CHECKING:
    from lockstep.harness.channel.supervisor_end import Line


class Supervisor(Service):
    """One rank's supervisor."""

    child: processes.Engine

    def __init__(self, environ: dict[str, str]) -> None:
        super().__init__(environ)
        self.ring = Ring(self.number, self.plan.world, self.plan.capacity)
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        self.output_sent = 0
        self.feed = Feed(self.ring)
        self.left: set[str] = set()  # shared memory that the rank maps, and leaves when it is killed
        self.ended = False
        self.child = processes.start_engine(self.plan.argv, self._engine_environment(environ), self.output)

    def _engine_environment(self, environ: dict[str, str]) -> dict[str, str]:
        import json

        from lockstep.harness.channel.bootstrap import PLAN
        from lockstep.harness.supervisor.dumps import dump_environment

        env = {name: value for name, value in environ.items() if name != PLAN}  # the keys stay here
        env |= dump_environment(env, self.number)
        env |= self.plan.spec.get("environment", {})
        env |= self.plan.visible(self.number)
        env[layout.RING_FD] = str(self.ring.fd)
        env["LOCKSTEP_SPEC"] = json.dumps(self.plan.spec)
        env["LOCKSTEP_RANK"] = str(self.number)
        env["LOCKSTEP_WORLD"] = str(self.plan.world)
        env["PYTHONUNBUFFERED"] = "1"
        return env

    def forward(self, line: Line) -> None:
        """Send what is new: events, output, the engine's end."""
        # Whether the engine has ended is asked before its ring is read, so that nothing it wrote comes after its end.
        code, seen_ns = None if self.ended else self.child.poll(), time.monotonic_ns()
        delta = self.feed.delta()
        if delta is not None:
            line.send("delta", **delta)
        size = os.fstat(self.output.fileno()).st_size
        while self.output_sent < size:
            chunk = os.pread(self.output.fileno(), 1 << 20, self.output_sent)
            self.output_sent += len(chunk)
            line.send("output", data=chunk)
        if code is not None:
            self.ended = True
            oom, peak = self.ended_by_memory(code), self.child.peak_bytes
            line.send("ended", code=code, oom=oom, seen_ns=seen_ns, peak_bytes=peak)

    def scan(self, line: Line) -> None:
        """Tell which shared memory the rank maps."""
        found = processes.shared_memory(self.child.pid) - self.left
        if found:
            self.left |= found
            line.send("left", paths=sorted(found))

    def answer(self, line: Line, message: dict[str, Any]) -> None:
        """Do what the watchdog asks."""
        kind = message["type"]
        if kind == "confirm":
            # Read again now: had the rank moved since the candidate, its event comes before this answer.
            self.forward(line)
            line.send("confirmed", epoch=message["epoch"], alive=self.child.poll() is None)
        elif kind == "acknowledge":
            self.ring.acknowledge(message["number"])
        elif kind == "stacks":
            self._stacks(line)
        elif kind == "release":
            self.ring.release()

    def _stacks(self, line: Line) -> None:
        from lockstep.harness.host.stacks import stacks
        from lockstep.harness.supervisor.dumps import dumps

        alive = self.child.poll() is None
        for name, data in dumps(self.environ, self.number) if alive else ():
            line.send("dump", name=name, data=data)
        text, error = stacks(self.child.pid) if alive else ("", "the process has ended")
        line.send("stacks", text=text, error=error)

    def close(self) -> None:
        """End the engine and all that it started; remove the shared memory that it left."""
        self.left |= processes.shared_memory(self.child.pid)
        processes.end_tree(self.child.pid)
        self.child.wait()
        processes.end_all(processes.descendants(os.getpid()))
        processes.remove_files(self.left)


if __name__ == "__main__":
    serve(Supervisor)
