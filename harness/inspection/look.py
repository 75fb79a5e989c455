"""A look at the job on this host: a few moments apart, without stopping, ending or writing anything of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lockstep.harness import environment
from lockstep.harness.host import stacks
from lockstep.harness.inspection import kernel
from lockstep.harness.inspection.flight import flight_recorder
from lockstep.harness.inspection.process import Process
from lockstep.harness.inspection.processes import Job
from lockstep.harness.judge.observation import KernelWait, Observation
from lockstep.harness.supervisor.dumps import ras
from lockstep.harness.watchdog.dump_decoding import read_json

LOOKS = 5
AT_ONCE = 4  # processes
TRIES = 3  # a stack that moves while it is read may not be one
LONGEST = 1 << 16  # characters of the stacks of one process
RAS_ADDRESS = "localhost:28028"  # NCCL's own choice
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


@dataclass(frozen=True, slots=True)
class HostLook:
    """What was seen on one host. `ras`: what NCCL says of the whole job there; empty where it does not answer."""

    host: str
    world: int
    seen: tuple[Observation, ...]
    ended: tuple[int, ...] = ()
    ras: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def look(job: Job, seconds: float) -> HostLook:
    """Look `LOOKS` times, the last time `seconds` after the first, at all of its processes."""
    wanted = [(rank, process) for rank, process in job.ranks.items()] + [(None, other) for other in job.others]
    traces = [_Trace(rank, process, _ran(process)) for rank, process in wanted]
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as threads:
        for number in range(LOOKS):
            time.sleep(max(0.0, began + seconds * number / (LOOKS - 1) - time.monotonic()))
            list(threads.map(_Trace.glance, traces))
        lasted = time.monotonic() - began
        seen = tuple(threads.map(_observation, traces))
    return HostLook(os.uname().nodename, job.world, seen, job.ended, _ras(job), lasted)


class _Ran(NamedTuple):
    """How much a process has run: seconds of the processor's time, and how often its main thread was switched."""

    seconds: float
    switches: int


@dataclass
class _Trace:
    """What is seen of one process, from look to look."""

    rank: int | None
    process: Process
    before: _Ran | None
    stack: str = ""
    error: str = ""
    digests: set[str] = field(default_factory=set)

    def glance(self) -> None:
        """Look once more."""
        if not self.process.is_python:
            return
        for _ in range(TRIES):
            text, self.error, digest = stacks.glance(self.process.pid)
            if not self.error:
                self.stack = text[:LONGEST]
                self.digests.add(digest)
                return


def _observation(trace: _Trace) -> Observation:
    process, before, after = trace.process, trace.before, _ran(trace.process)
    variables = process.variables or {}
    folder = ""
    waits: tuple[KernelWait, ...] = ()
    with contextlib.suppress(OSError):
        folder = str(Path(f"/proc/{process.pid}/cwd").readlink())
    with contextlib.suppress(OSError):
        waits = kernel.waits(process.pid)
    return Observation(
        host=os.uname().nodename,
        pid=process.pid,
        rank=trace.rank,
        name=process.title,
        stack=trace.stack,
        error="" if trace.stack else _why(process, trace.error),
        waits=waits,
        moved=len(trace.digests) > 1,
        asleep=before is not None and after is not None and before.switches == after.switches,
        ran=None if before is None or after is None else after.seconds - before.seconds,
        gone=after is None,
        folder=folder,
        connecting=kernel.connecting(process.pid),
        libraries=kernel.libraries(process.pid),
        watched=environment.TOKEN in variables,
        parent=process.parent,
        flight=flight_recorder(variables) if trace.rank is not None else {},
    )


def _ran(process: Process) -> _Ran | None:
    """None of a process that is gone, or whose number another one has by now."""
    with contextlib.suppress(OSError):
        if kernel.is_still(process.pid, process.started):
            return _Ran(kernel.processor_seconds(process.pid), kernel.switches(process.pid))
    return None


def _why(process: Process, error: str) -> str:
    """Why there is no stack, and what to do."""
    if not process.is_python:
        return f"it runs no Python: `gdb -p {process.pid} -batch -ex 'thread apply all bt'` shows its stacks"
    with contextlib.suppress(OSError):
        if "ermission" in error and os.geteuid() and YAMA.read_text().strip() != "0":
            return "the kernel lets nobody but root look (kernel.yama.ptrace_scope is not 0): run it as root, or with sudo"
    return error.splitlines()[0] if error else "no stack"


def _ras(job: Job) -> Mapping[str, Any]:
    """Only where a rank has NCCL loaded: another program may listen at that port."""
    for process in job.ranks.values():
        if kernel.uses_nccl(process.pid):
            address = (process.variables or {}).get("NCCL_RAS_ADDR", RAS_ADDRESS)
            return read_json(ras(address) or b"")
    return {}
