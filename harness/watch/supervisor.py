"""The supervisor: what the MPI launcher starts for each rank. It starts the engine as its child and outlives it.

It forwards the engine's events and output to the watchdog, answers its questions, and ends the engine. It holds back
the engine's end from the launcher, which would otherwise kill the peers. It decides nothing. It imports neither torch
nor MPI, and starts the engine before it imports anything slow.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from typing import Any, Protocol

from harness.trace import layout
from harness.trace.ring import Ring
from harness.watch import process
from harness.watch.feed import Feed

POLL_MS = 10
RANK_VARIABLES = ("LOCKSTEP_INDEX", "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")
SHM_SCAN_S = 0.25


def rank_of(environ: dict[str, str]) -> int:
    """The rank that the launcher gave to this process. Raises SystemExit when there is none."""
    for name in RANK_VARIABLES:
        if name in environ:
            return int(environ[name])
    raise SystemExit(f"no rank in the environment (looked for {', '.join(RANK_VARIABLES)}): start this with an MPI launcher")


class Supervisor:
    """One rank's supervisor."""

    def __init__(self, environ: dict[str, str]) -> None:
        from harness.watch.plan import read_plan

        self.plan = read_plan(environ)
        self.environ = environ
        self.rank = rank_of(environ)
        self.node: Any = None  # what it has made of a host that is not the watchdog's
        if self.plan.remote:
            from harness.watch.node import Node

            self.node = Node(self.plan, environ, self.rank)
        self.ring = Ring(self.rank, self.plan.world, self.plan.capacity)
        self.output = tempfile.TemporaryFile()  # noqa: SIM115
        self.output_sent = 0
        self.feed = Feed(self.ring)
        self.left: set[str] = set()  # shared memory that the rank maps, and leaves when it is killed
        self.next_scan = 0.0
        self.ended = False
        self.oom_kills = process.oom_kills()
        process.adopt_orphans()
        self.child = process.start_engine(self.plan.argv, self._engine_environment(environ), self.output)

    def _engine_environment(self, environ: dict[str, str]) -> dict[str, str]:
        import json

        from harness.watch.dumps import dump_environment
        from harness.watch.plan import PLAN

        env = {name: value for name, value in environ.items() if name != PLAN}  # the keys stay here
        env |= self.node.environment if self.node else {}
        env |= dump_environment(env, self.rank)
        env |= self.plan.spec.get("environment", {})
        env[layout.RING_FD] = str(self.ring.fd)
        env["LOCKSTEP_SPEC"] = json.dumps(self.plan.spec)
        env["LOCKSTEP_RANK"] = str(self.rank)
        env["LOCKSTEP_WORLD"] = str(self.plan.world)
        env["PYTHONUNBUFFERED"] = "1"
        return env

    def run(self) -> None:
        """Serve the watchdog until it says `end`, or is gone."""
        from harness.watch.line import Line

        line = Line(self.plan)
        who = {"host": os.uname().nodename, "machine": self.node.identity if self.node else ""}
        line.send("hello", rank=self.rank, pid=self.child.pid, supervisor=os.getpid(), **who)
        while True:
            self.forward(line)
            for message in line.receive(POLL_MS):
                if not self.answer(line, message):
                    return
            if line.lost():
                print("lockstep supervisor: the watchdog is gone; ending the engine", file=sys.stderr, flush=True)
                self.close()
                process.remove_job_folder(os.environ.get("TMPDIR", ""))  # the head would have
                return

    def forward(self, line: Any) -> None:
        """Send what is new: events, output, the engine's end."""
        # Whether the engine has ended is asked before its ring is read, so that nothing it wrote comes after its end.
        code = None if self.ended else self.child.poll()
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
            oom = code == -signal.SIGKILL and process.oom_kills() > self.oom_kills
            line.send("ended", code=code, oom=oom)
        if time.monotonic() >= self.next_scan:
            self.next_scan = time.monotonic() + SHM_SCAN_S
            self._scan(line)

    def answer(self, line: Any, message: dict[str, Any]) -> bool:
        """Do what the watchdog asks; False when it was the last."""
        kind = message["type"]
        if kind == "confirm":
            # Read again now: had the rank moved since the candidate, its event comes before this answer.
            self.forward(line)
            line.send("confirmed", epoch=message["epoch"], alive=self.child.poll() is None)
        elif kind == "acknowledge":
            self.ring.acknowledge(message["number"])
        elif kind == "stacks":
            from harness.watch.stacks import stacks

            if self.child.poll() is None:
                from harness.watch.dumps import dumps

                for name, data in dumps(self.environ, self.rank):
                    line.send("dump", name=name, data=data)
            text, error = stacks(self.child.pid) if self.child.poll() is None else ("", "the process has ended")
            line.send("stacks", text=text, error=error)
        elif kind == "release":
            self.ring.release()
        elif kind == "end":
            self.close()
            self.forward(line)
            line.send("bye")
            line.close()
            return False
        return True

    def close(self) -> None:
        """End the engine and all that it started; remove the shared memory that it left."""
        self.left |= process.shared_memory(self.child.pid)
        process.end_tree(self.child.pid)
        self.child.wait()
        process.end_all(process.descendants(os.getpid()))
        process.remove_files(self.left)
        if self.node:
            self.node.leave()

    def _scan(self, line: Any) -> None:
        found = process.shared_memory(self.child.pid) - self.left
        if found:
            self.left |= found
            line.send("left", paths=sorted(found))


class Serves(Protocol):
    """What a launcher's process does until it may leave."""

    def run(self) -> None:
        """Serve the watchdog."""

    def close(self) -> None:
        """End all that it started; harmless when done twice."""


def serve(supervisor: Serves) -> None:
    """Run it, and end what it started whatever happens to this process. Does not return.

    The launcher sees success whatever the engine did: a verdict is read from its file, never from an exit status.
    """

    def stop(signum: int, frame: object) -> None:
        supervisor.close()
        os._exit(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, stop)
    try:
        supervisor.run()
    finally:
        supervisor.close()
    os._exit(0)


if __name__ == "__main__":
    serve(Supervisor(dict(os.environ)))
