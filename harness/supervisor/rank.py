"""The supervisor: what the MPI launcher starts for each rank. It starts the engine as its child and outlives it.

It forwards the engine's events and output to the watchdog, answers its questions, and ends the engine. It holds back
the engine's end from the launcher, which would otherwise kill the peers. It decides nothing. It imports neither torch
nor MPI, and starts the engine before it imports anything slow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lockstep.harness.environment import PLAN, RANK, RING_FD, SPEC, STATE, WORLD
from lockstep.harness.host import proc, spawning
from lockstep.harness.supervisor.base import SupervisorBase
from lockstep.harness.supervisor.entry_point import serve
from lockstep.harness.supervisor.giving_up import give_up
from lockstep.harness.supervisor.output_pump import OutputPump
from lockstep.harness.supervisor.ring_reader import RingReader
from lockstep.harness.trace.ring import Ring

if TYPE_CHECKING:
    from lockstep.harness.channel.messages import Question
    from lockstep.harness.channel.supervisor_end import Line

TELL_STARVED_NS = 500_000_000  # by how much the time for which it got no processor has grown before that is told

Start = Callable[[Sequence[str], Mapping[str, str], IO[bytes]], spawning.ReapedProcess]


class RankSupervisor(SupervisorBase):
    """One rank's supervisor."""

    child: spawning.ReapedProcess

    def __init__(self, environ: dict[str, str], start: Start = spawning.start_engine, launched: int | None = None) -> None:
        """`start`: the engine; the rest as in `SupervisorBase`."""
        super().__init__(environ, launched)
        self.ring = Ring(self.number, self.plan.world, self.plan.capacity)
        self.output = OutputPump(1)
        self.feed = RingReader(self.ring)
        self.ended = False
        self.starved_ns = 0  # as last told
        if STATE in environ:
            with suppress(OSError):  # a rank that needs the folder will say so itself
                Path(environ[STATE]).mkdir(parents=True, exist_ok=True)
        try:
            self.child = start(self.plan.argv, self._engine_environment(environ), self.output.files[0])
        except OSError as error:
            give_up(self.plan.argv[0], error)

    def _engine_environment(self, environ: dict[str, str]) -> dict[str, str]:
        import json

        from lockstep.harness.supervisor.dumps import dump_environment

        env = {name: value for name, value in environ.items() if name != PLAN}  # the keys stay here
        env |= dump_environment(env, self.number)
        env |= self.plan.spec.get("environment", {})
        env |= self.plan.visible(self.number)
        env[RING_FD] = str(self.ring.fd)
        env[SPEC] = json.dumps(self.plan.spec)
        env[RANK] = str(self.number)
        env[WORLD] = str(self.plan.world)
        env["PYTHONUNBUFFERED"] = "1"
        return env

    def forward(self, line: Line) -> None:
        """Send what is new: events, output, the engine's end."""
        from lockstep.harness.channel.to_watchdog import Ended, Output

        # Whether the engine has ended is asked before its ring is read, so that nothing it wrote comes after its end.
        code, seen_ns = None if self.ended else self.child.poll(), time.monotonic_ns()
        delta = self.feed.delta()
        if delta is not None:
            line.send(delta)
        for _, chunk in self.output.new():
            line.send(Output(chunk))
        if code is not None:
            self.ended = True
            oom, peak = self.ended_by_memory(code), self.child.peak_bytes
            line.send(Ended(code, oom, seen_ns, peak))

    def scan(self, line: Line) -> None:
        """Tell which shared memory the rank maps, and whether its machine keeps it from running."""
        from lockstep.harness.channel.to_watchdog import Starved

        self.memory.tell(line, [self.child.pid])
        waited_ns = proc.waited_for_processor_ns(self.child.pid)
        if waited_ns > self.starved_ns + TELL_STARVED_NS:
            self.starved_ns = waited_ns
            line.send(Starved(waited_ns))

    def answer(self, line: Line, message: Question) -> None:
        """Do what the watchdog asks."""
        from lockstep.harness.channel import to_supervisor, to_watchdog
        from lockstep.harness.channel.message_base import never

        match message:
            case to_supervisor.Confirm():
                # Read again now: had the rank moved since the candidate, its event comes before this answer.
                self.forward(line)
                line.send(to_watchdog.Confirmed(message.epoch, alive=self.child.poll() is None))
            case to_supervisor.Acknowledge():
                self.ring.acknowledge(message.number)
            case to_supervisor.TakeStacks() if message.number:
                self.read_stacks(message.number, {self.child.pid: -1} if self.child.poll() is None else {})
            case to_supervisor.TakeStacks():
                self._stacks(line)
            case to_supervisor.Release():
                self.ring.release()
            case to_supervisor.TakeDumps():
                pass  # of the processes of a program: an engine's come with its stacks
            case _:
                never(message)

    def _stacks(self, line: Line) -> None:
        from lockstep.harness.channel.to_watchdog import Dump, Stacks
        from lockstep.harness.host.stacks import stacks
        from lockstep.harness.supervisor.dumps import dumps

        alive = self.child.poll() is None
        for name, data in dumps(self.environ, self.number) if alive else ():
            line.send(Dump(name, data))
        text, error = stacks(self.child.pid) if alive else ("", "the process has ended")
        line.send(Stacks(text, error))

    def close(self) -> None:
        """End the engine and all that it started; remove the shared memory that it left."""
        super().close()
        if STATE in self.environ:
            with suppress(OSError):  # no rank of this host has used it
                Path(self.environ[STATE]).rmdir()


if __name__ == "__main__":
    serve(RankSupervisor)
