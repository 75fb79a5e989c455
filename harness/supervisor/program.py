"""The supervisor of a program that knows nothing of Lockstep: it starts the command as its child, and receives the rings of
all processes below it that communicate. It holds back the command's end from the launcher, and decides nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

from lockstep.harness.channel.message_base import never
from lockstep.harness.channel.messages import Question
from lockstep.harness.channel.supervisor_end import Line
from lockstep.harness.channel.to_supervisor import Acknowledge, Confirm, Release, TakeDumps, TakeStacks
from lockstep.harness.channel.to_watchdog import (
    STREAMS,
    Around,
    Came,
    Dump,
    Ended,
    Gone,
    Idle,
    LeftBehind,
    LockHeld,
    Output,
    Processes,
    Scanned,
    Stacks,
    StacksDone,
    Stands,
)
from lockstep.harness.environment import ATTACH
from lockstep.harness.host import proc, process_tree, spawning
from lockstep.harness.host.alarms import unchanged_programs
from lockstep.harness.host.holders import inherited
from lockstep.harness.host.nccl_threads import hears_of_ends
from lockstep.harness.host.stacks import stacks
from lockstep.harness.host.wakers import wakers
from lockstep.harness.supervisor.base import SupervisorBase
from lockstep.harness.supervisor.command_environment import command_environment
from lockstep.harness.supervisor.dumps import dumps
from lockstep.harness.supervisor.entry_point import serve
from lockstep.harness.supervisor.forked import HANDLER_MARK, quiet_forks
from lockstep.harness.supervisor.giving_up import give_up
from lockstep.harness.supervisor.heirs import Heirs
from lockstep.harness.supervisor.idle_main import IdleMain
from lockstep.harness.supervisor.idleness import Idleness
from lockstep.harness.supervisor.left_behind import Leftover
from lockstep.harness.supervisor.native_standing import standing
from lockstep.harness.supervisor.output_pump import OutputPump
from lockstep.harness.supervisor.overseers import overseers
from lockstep.harness.supervisor.process import Attached
from lockstep.harness.supervisor.ray_workers import MARK, RayWorkers
from lockstep.harness.supervisor.ring_socket import RingSocket
from lockstep.harness.supervisor.sleepers import Known, around
from lockstep.harness.supervisor.surplus import turn_away
from lockstep.harness.trace.tables import threads_inside

ANSWER_S = 0.7  # a process in which Python runs answers sooner
ALARM_MARK = ".alarm-"  # behind the socket's name, before a process's number; attach/imports has it too
LIBRARIES = ("libmpi.so", "libmpi.", "libtorch_python.so", "libnccl.so")  # a process that maps one may communicate


class ProgramSupervisor(SupervisorBase):
    """One launched command and everything below it."""

    poll_ms = 5
    needs_cwd = True

    def __init__(self, environ: dict[str, str]) -> None:
        super().__init__(environ)
        self.folder = Path(environ["TMPDIR"])  # the job's own, which the head removes
        try:
            self.reception = RingSocket(self.folder, f"attach-{self.number}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:  # another supervisor has this number
                turn_away(self.plan, self.number)
            raise
        self.attached: dict[int, Attached] = {}
        self.output = OutputPump(len(STREAMS))
        self.asked: dict[int, tuple[int, float]] = {}  # serial -> epoch of a question without an answer, and when
        self.seen: Processes | None = None
        self.idleness = Idleness()
        self.idle: tuple[int, ...] = ()
        self.idle_main, self.heirs = IdleMain(), Heirs()
        self.ray = RayWorkers(f"{self.reception.path}{MARK}")
        self.leftover: Leftover | None = None  # once the command has ended in order
        self.next_leftover_s = self.heard_s = 0.0
        self.code: int | None = None
        self.told = False
        self.outside = inherited()  # all that the command may get from here, and others hold as well
        self.child = self._start(environ)

    def _start(self, environ: dict[str, str]) -> subprocess.Popen[bytes]:
        try:
            return self._begin(environ)
        except OSError as error:
            give_up(self.plan.argv[0], error)

    def _begin(self, environ: dict[str, str]) -> subprocess.Popen[bytes]:
        env = command_environment(self.plan, environ, self.number, str(self.reception.path))
        self.program = shutil.which(self.plan.argv[0], path=env.get("PATH")) or ""
        return subprocess.Popen(
            self.plan.argv,
            env=env,
            cwd=self.plan.spec.get("cwd"),
            stdin=None if self.plan.spec.get("stdin") else subprocess.DEVNULL,
            stdout=self.output.files[0],
            stderr=self.output.files[1],
            close_fds=False,  # the launcher's PMI descriptors
            start_new_session=True,
            preexec_fn=spawning.dies_with(os.getpid()),
        )

    def forward(self, line: Line) -> None:
        """Send what is new: processes that came, their events and answers, output, and ends."""
        for arrival in self.reception.arrivals():
            for earlier in self.attached.values():
                if earlier.pid == arrival.pid and not earlier.ended:
                    self._end_one(line, earlier, 0, time.monotonic_ns())  # it has become another program (exec)
            one = Attached(len(self.attached), arrival, self.outside)
            self.attached[one.serial] = one
            above = process_tree.ancestors(one.pid)
            mine = above.index(os.getpid()) if os.getpid() in above else 0
            line.send(Came(one.serial, one.pid, one.argv, tuple(above[:mine])))
        for one in self.attached.values():
            if not one.ended:
                self._forward_one(line, one)
        self._forward_output(line)
        if self.code is None:
            self.code = self.child.poll()
        if self.code is not None and not self.told and (self.code or not self._goes_on(line)):
            self.told = True
            self._forward_output(line)
            line.send(Ended(self.code, self.ended_by_memory(self.code), time.monotonic_ns()))

    def _goes_on(self, line: Line) -> bool:
        """Whether the command, which has ended in order, has left something behind that is waited for."""
        now_s = time.monotonic()
        if now_s < self.next_leftover_s:
            return True
        self.next_leftover_s = now_s + self.scan_s
        self.leftover = self.leftover or Leftover((ATTACH, str(self.reception.path)), now_s)
        attached = {one.pid for one in self.attached.values() if not one.ended}
        goes_on = self.leftover.goes_on(attached, self.idleness, self.heard_s, now_s)
        if self.leftover.news:
            line.send(Output(self.leftover.news.encode(), "stderr"))
            self.leftover.news = ""
        if self.leftover.processes:
            line.send(LeftBehind(self.leftover.processes))
        return goes_on

    def _forward_one(self, line: Line, one: Attached) -> None:
        # Whether it has ended is asked before its ring is read, so that nothing it wrote comes after its end.
        gone, seen_ns = one.gone(), time.monotonic_ns()
        for answer in one.answers():
            self.asked.pop(one.serial, None)
            self._send_delta(line, one)  # had it moved before it answered, its event comes first
            line.send(answer)
        self._send_delta(line, one)
        if one.serial in self.asked and time.monotonic() - self.asked[one.serial][1] > ANSWER_S and not gone:
            # No Python code runs there: who holds Python's lock, and is he in a wait that is known?
            epoch, _ = self.asked.pop(one.serial)
            owner = one.silent.look(threads_inside(one.feed.ring.memory) if one.native else None)
            self._send_delta(line, one)
            line.send(LockHeld(one.serial, epoch, *owner))
        if gone:
            if one.pid == self.child.pid:
                self.code = self.child.wait()
            self._end_one(line, one, self.code if one.pid == self.child.pid else one.exit_code(), seen_ns)

    def _end_one(self, line: Line, one: Attached, code: int | None, seen_ns: int) -> None:
        self._send_delta(line, one)
        one.ended = True
        line.send(Gone(one.serial, code, self.ended_by_memory(code), seen_ns))
        one.close()

    def _send_delta(self, line: Line, one: Attached) -> None:
        delta = one.feed.delta()
        if delta is not None:
            self.heard_s = time.monotonic()
            line.send(delta)

    def _forward_output(self, line: Line) -> None:
        for stream, chunk in self.output.new():
            line.send(Output(chunk, STREAMS[stream]))

    def scan(self, line: Line) -> None:
        """Tell which processes live below this one, and which of them may communicate unseen."""
        alive = [pid for pid in self.below() if not proc.is_zombie(pid)]
        known = {one.pid for one in self.attached.values()}
        self.memory.tell(line, alive)
        unseen = [
            f"process {pid} ({proc.command_line(pid)}) has loaded {library}, and no recorder is attached"
            for pid in alive
            if pid not in known and not proc.is_fork(pid, known, ATTACH) and (library := mapped_library(pid))
        ]
        recorded = [one.pid for one in self.attached.values() if not one.ended]
        self.heirs.look(recorded, time.monotonic())
        left = self.heirs.found({one.pid for one in self.attached.values() if one.ended}, alive, recorded, self.child.pid)
        now_s = time.monotonic()
        waiting = self.ray.waiting(alive, now_s)
        above = {*overseers(recorded, alive, waiting), *self.ray.acting(alive, recorded, waiting, now_s)}
        if (seen := Processes(tuple(alive), tuple(unseen), left, tuple(sorted(above)))) != self.seen:
            self.seen = seen
            line.send(seen)
        if (idle := self.idleness.look(alive, time.monotonic())) != self.idle:
            self.idle = idle
            line.send(Idle(idle))

    def answer(self, line: Line, message: Question) -> None:
        """Do what the watchdog asks."""
        match message:
            case Confirm():
                self.scan(line)
                line.send(Scanned(message.epoch))
                if message.around:
                    asked = {self.attached[serial].pid for serial in message.procs}
                    alive = self.seen.alive if self.seen else ()
                    others = [pid for pid in alive if pid not in asked]
                    forks = quiet_forks(others, asked, f"{self.reception.path}{HANDLER_MARK}")
                    unchanged = unchanged_programs(others, self.child.pid, self.program)
                    known = Known(f"{self.reception.path}{ALARM_MARK}", forks, unchanged)
                    found = around(others, alive, self.outside, known, None if asked else self.idle_main)
                    # What a command has left behind that ended in order may idle: without ranks it is no hang.
                    line.send(Around(message.epoch, () if self.code is not None and not asked else tuple(found)))
                for serial in message.procs:
                    if self.attached[serial].answers_itself:
                        self.asked[serial] = (message.epoch, time.monotonic())
                        self.attached[serial].ask(epoch=message.epoch)
                    elif not self.attached[serial].ended:
                        self._look(line, self.attached[serial], message.epoch)
            case Acknowledge():
                self.attached[message.proc].feed.ring.acknowledge(message.number)
            case TakeDumps():
                for one in self.attached.values():
                    if not one.ended:
                        one.ask(epoch=0, dump=True)
            case TakeStacks() if message.number:
                self.read_stacks(message.number, self._pythons())
            case TakeStacks():
                self._stacks(line)
            case Release():
                pass  # nothing is parked here
            case _:
                never(message)

    def _look(self, line: Line, one: Attached, epoch: int) -> None:
        """Answer for a process without Python."""
        number, others = standing(one.feed.ring, one.pid)
        self._send_delta(line, one)
        woken, hears = tuple(wakers(one.pid, tells_handlers=True)), hears_of_ends(one.pid)
        line.send(Stands(one.serial, epoch, number, others, (), wakers=woken, nccl_hears=hears))

    def _stacks(self, line: Line) -> None:
        for name, data in dumps(self.environ, self.number):
            line.send(Dump(name, data))
        for pid, serial in self._pythons().items():
            text, error = stacks(pid)
            line.send(Stacks(text, error, pid, serial))
        line.send(StacksDone())

    def _pythons(self) -> dict[int, int]:
        """The Python processes below the command, each with its number, or -1 for one that has no ring."""
        pids = {one.pid: one.serial for one in self.attached.values() if not one.ended}
        alive = (pid for pid in process_tree.descendants(os.getpid()) if not proc.is_zombie(pid))
        return {pid: pids.get(pid, -1) for pid in alive if pid in pids or proc.is_python(pid)}

    def close(self) -> None:
        """End the command and all that it started, and let nobody hand over a ring any more."""
        super().close()
        self.reception.close()


def mapped_library(pid: int) -> str | None:
    """The communication library that a process has loaded, if any."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            name = line.rpartition("/")[2]
            if name.startswith(LIBRARIES):
                return name
    return None


if __name__ == "__main__":
    serve(ProgramSupervisor)
