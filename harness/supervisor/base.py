"""The service that every supervisor gives: it serves the watchdog until that says `end`, or is gone, and then ends all that
it started. Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lockstep.harness.channel.bootstrap import read_plan
from lockstep.harness.channel.pacing import crowding, gather_s, rest_s
from lockstep.harness.environment import INDEX, LOG, TOKEN
from lockstep.harness.host import proc, process_tree, spawning
from lockstep.harness.host.shared_folder import remove_job_folder
from lockstep.harness.launch.open_files import give_back
from lockstep.harness.supervisor.launcher_daemon import DAEMONS, daemon_above
from lockstep.harness.supervisor.mapped_memory import MappedMemory

if TYPE_CHECKING:
    from lockstep.harness.channel.messages import Question
    from lockstep.harness.channel.supervisor_end import Line
    from lockstep.harness.supervisor.host_setup import HostSetup
    from lockstep.harness.supervisor.log import SupervisorLog
    from lockstep.harness.supervisor.pmix import HeldConnections
    from lockstep.harness.supervisor.stack_reader import StackReader

CLOSE_S = 5.0  # within which all that is below must have ended
STOPPED_S = 0.5  # within which all supervisors have stopped what they started, when nobody tells them
LINGER_S = 2.0  # for the others of a host, which the launcher kills when the first leaves; nobody tells when all are done
SLURM = "slurm."  # so begins the name that Slurm gives to the ranks of a step under PMIx
RANK_VARIABLES = (INDEX, "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")


def rank_of(environ: dict[str, str]) -> int:
    """The rank that the launcher gave to this process. Raises SystemExit when there is none."""
    for name in RANK_VARIABLES:
        if name in environ:
            return int(environ[name])
    raise SystemExit(f"no rank in the environment (looked for {', '.join(RANK_VARIABLES)}): start this with an MPI launcher")


class SupervisorBase(ABC):
    """What a launcher's process does until it may leave. `number`: which of them it is, as the launcher counts."""

    poll_ms = 10
    scan_s = 0.25
    needs_cwd = False  # whether it cannot do without the working directory of the command line
    child: subprocess.Popen[bytes]

    def __init__(self, environ: dict[str, str], launched: int | None = None) -> None:
        """`launched`: the launcher's child for which this process stands, where it is none itself."""
        give_back(environ)
        self.plan = read_plan(environ)
        self.number = rank_of(environ)
        if self.number >= self.plan.world:
            from lockstep.harness.supervisor.surplus import turn_away

            turn_away(self.plan, self.number)
        self.environ = environ
        self.node: HostSetup | None = None  # where others than the watchdog's host may be in the case
        self.leftovers: Leftovers | None = None
        if self.plan.remote:
            from lockstep.harness.host.leftovers import Leftovers
            from lockstep.harness.supervisor.host_setup import HostSetup, enter

            enter(self.plan.cwd, environ, self.needs_cwd)
            try:
                self.node = HostSetup(self.plan, environ)
            except OSError as error:
                raise SystemExit(f"lockstep supervisor: cannot run ranks on {os.uname().nodename}: {error}") from error
            self.leftovers = Leftovers(environ[TOKEN])
            environ |= self.node.environment
        self.memory = MappedMemory()
        self.log: SupervisorLog | None = None
        self.stack_reader: StackReader | None = None
        self.connections: HeldConnections | None = None
        if environ.get("PMIX_NAMESPACE", "").startswith(SLURM):
            from lockstep.harness.supervisor.pmix import HeldConnections

            self.connections = HeldConnections(environ)
        self.gather_s = gather_s(self.plan.world)
        crowd = crowding(max(self.plan.nodes), os.cpu_count() or 1)
        self.poll_ms, self.scan_s = int(self.poll_ms * crowd), self.scan_s * min(crowd, 4.0)
        self.next_forward = self.next_scan = 0.0
        self.in_a_row = 0  # times that there was news to forward
        self._oom_kills = proc.oom_kills()
        self._daemon = daemon_above(launched or os.getpid())
        spawning.adopt_orphans()

    def run(self) -> None:
        """Serve the watchdog until it says `end`, or is gone."""
        from lockstep.harness.channel.identity import clocks, identity
        from lockstep.harness.channel.supervisor_end import Line, LostError
        from lockstep.harness.channel.to_watchdog import Hello
        from lockstep.harness.supervisor.host_setup import route_to

        if LOG in self.environ:
            from lockstep.harness.supervisor.log import SupervisorLog

            self.log = SupervisorLog(self.plan, self.number, self.environ)
            self.log.supervisor.info("started process %d as rank %d", self.child.pid, self.number)
        line = Line(self.plan, self.log.channel if self.log else None)
        address = route_to(self.plan.endpoint)
        if self.leftovers and self.first_here and self.plan.spec.get("device") != "cpu":
            self.leftovers.note_gpus()
        try:
            line.send(Hello(self.number, self.child.pid, os.getpid(), **identity(), address=address, **clocks()))
            while self._serve(line):
                pass
        except LostError as lost:
            if self.log:
                self.log.supervisor.warning("%s; ending what it started", lost)
            print(f"lockstep supervisor: {lost}; ending what it started", file=sys.stderr, flush=True)
            line.drop()
            self.abandon()
            remove_job_folder(os.environ.get("TMPDIR", ""))  # the head would have
            time.sleep(LINGER_S)
            if self.plan.remote:
                process_tree.end_daemons(os.getpid(), DAEMONS)

    def _serve(self, line: Line) -> bool:
        """One round; False after the last."""
        from lockstep.harness.channel import to_supervisor, to_watchdog
        from lockstep.harness.channel.message_base import never

        if self.connections:
            self.connections.look(lambda: process_tree.descendants(os.getpid()))
        if time.monotonic() >= self.next_forward:
            before, began_s = line.sent, time.thread_time()
            self.forward(line)
            self.in_a_row = self.in_a_row + 1 if line.sent != before else 0
            if self.in_a_row:
                rest = rest_s(time.thread_time() - began_s, self.in_a_row)
                self.next_forward = time.monotonic() + max(self.gather_s, rest)
        if time.monotonic() >= self.next_scan:
            self.next_scan = time.monotonic() + self.scan_s
            self.scan(line)
            self._look_after_launcher(line)
        if self.log:
            self.log.send(line)
        if self.stack_reader:
            self.stack_reader.send(line)
        for message in line.receive(max(self.poll_ms, int(1000 * (self.next_forward - time.monotonic())))):
            match message:
                case to_supervisor.End():
                    self._say_bye(line, message.keep)
                    return False
                case to_supervisor.Call():
                    # What has happened up to now comes before the answer.
                    self.forward(line)
                    self._look_after_launcher(line)
                    line.send(to_watchdog.Here(message.number))
                case to_supervisor.ReadClock():
                    line.send(to_watchdog.ClockRead(message.asked_ns, time.monotonic_ns()))
                case (
                    to_supervisor.Confirm()
                    | to_supervisor.Acknowledge()
                    | to_supervisor.TakeDumps()
                    | to_supervisor.TakeStacks()
                    | to_supervisor.Release()
                ):
                    self.answer(line, message)
                case to_supervisor.WatchdogBeat() | to_supervisor.Look() | to_supervisor.Leave():
                    pass  # it was heard; the others come after `End` only
                case _:
                    never(message)
        return True

    def _look_after_launcher(self, line: Line) -> None:
        """Tell when the launcher's daemon is gone: the MPI of ranks ends them when their connection to it closes."""
        if self._daemon is not None and not self._daemon.lives():
            from lockstep.harness.channel.to_watchdog import LauncherLost

            line.send(LauncherLost(self._daemon.name))
            self._daemon = None

    def _say_bye(self, line: Line, keep: bool) -> None:
        """End all that was started, look after the host if asked to, and leave together with the others.

        A launcher kills the others of a host when the first of them leaves: none may, before all have cleaned up.
        """
        from lockstep.harness.channel.to_supervisor import Leave, Look
        from lockstep.harness.channel.to_watchdog import Bye, LeftOnHost, StateFile

        self.close()
        self.forward(line)
        if self.node and self.first_here and not keep:
            for path, data in self.node.state_files():
                line.send(StateFile(path, data))
        self.end(keep)
        if self.log:
            self.log.supervisor.info("all that was started has ended")
            self.log.send(line)
        line.send(Bye())
        leaves = False
        while not leaves:
            for message in line.receive(max(self.poll_ms, int(1000 * (self.next_forward - time.monotonic())))):
                leaves |= isinstance(message, Leave)
                if isinstance(message, Look) and self.leftovers:
                    spared = {*message.spared, *process_tree.ancestors(os.getpid()), os.getpid()}
                    leaks = self.leftovers.clear(message.ours, spared=spared)
                    line.send(LeftOnHost(tuple((leak.text, leak.facts) for leak in leaks)))
        line.close()

    @property
    def first_here(self) -> bool:
        """Whether this is the first supervisor of its node, which does what is to be done once a host."""
        return self.plan.local_rank(self.number)[0] == 0

    def ended_by_memory(self, code: int | None) -> bool:
        """Whether a process that ended so was killed by the kernel for want of memory."""
        return code == -signal.SIGKILL and proc.oom_kills() > self._oom_kills

    def end(self, keep: bool = False) -> None:
        """Leave nothing behind; harmless when done twice. `keep`: but what stays between launches."""
        self.close()
        if self.node:
            self.node.leave(keep)

    def abandon(self) -> None:
        """Leave nothing behind, with nobody to look after it: not what ranks made just before they were killed either."""
        # The death of one rank may make the MPI of another abort the job, and the launcher kill all supervisors at once.
        process_tree.stop_all(process_tree.descendants(os.getpid()))
        if self.node:
            self.node.leave()
            time.sleep(STOPPED_S)
        self.end()
        if self.leftovers:
            self.leftovers.remove_files()

    @abstractmethod
    def forward(self, line: Line) -> None:
        """Send what is new: events, output, ends."""

    @abstractmethod
    def scan(self, line: Line) -> None:
        """Look at the processes below this one, now and then."""

    @abstractmethod
    def answer(self, line: Line, message: Question) -> None:
        """Do what the watchdog asks."""

    def read_stacks(self, number: int, processes: Mapping[int, int]) -> None:
        """Begin to read stacks of processes that go on: see `StackReader.begin`."""
        if self.stack_reader is None:
            from lockstep.harness.supervisor.stack_reader import StackReader

            self.stack_reader = StackReader()
        self.stack_reader.begin(number, processes)

    def below(self) -> list[int]:
        """The processes below this one, but those by which it reads stacks itself."""
        if self.stack_reader is None:
            return process_tree.descendants(os.getpid())
        with self.stack_reader.starting:
            return [pid for pid in process_tree.descendants(os.getpid()) if pid not in self.stack_reader.own]

    def close(self) -> None:
        """End all that was started, and remove the shared memory that it left; harmless when done twice."""
        for pid in process_tree.descendants(os.getpid()):
            self.memory.note(pid)
        with contextlib.suppress(OSError):
            process_tree.end_tree(self.child.pid)
            self.child.wait()
        # What one started before its end is found in the next round.
        deadline = time.monotonic() + CLOSE_S
        while (pids := process_tree.descendants(os.getpid())) and time.monotonic() < deadline:
            process_tree.end_all(pids)
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.005)
        self.memory.remove()
