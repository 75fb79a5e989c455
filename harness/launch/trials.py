"""What `doctor` tries for real: MPI loads, two ranks meet, the channel connects, the recorder loads, a GPU marks a stream.

Each trial is bounded in time, runs in processes of its own where a library could take this one along, and leaves nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zmq

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.channel.identity import clocks, identity, machine
from lockstep.harness.channel.supervisor_end import Line, LostError
from lockstep.harness.channel.to_watchdog import Hello
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.host.gpus import gpus, torch_has_cuda
from lockstep.harness.host.polling import wait_until
from lockstep.harness.interpreter import python_module
from lockstep.harness.ip_address import loopback
from lockstep.harness.launch.check import Check
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.mpi import PROGRAM, title
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.launch.trial_gpu import MARKED
from lockstep.harness.launch.trial_rank import MET
from lockstep.harness.native.build import build

TRIAL_S = 60.0  # the longest of one; all run side by side
RANKS = 2
SAID = 240  # characters of what a loader or a launcher says
TELLING = re.compile(r"Error|cannot|No such|not found|undefined symbol|refused|denied")
NOISE = re.compile(r"^(?:Traceback|\s|=+$|=\s|-+$|\*+$)")


def trials(launcher: str = "auto", timeout_s: float = TRIAL_S) -> list[Check]:
    """All of them, in the order in which one rests on another. None raises."""
    every: list[Callable[[], Check]] = [
        lambda: torch_loads(timeout_s),
        lambda: mpi_loads(timeout_s),
        lambda: ranks_meet(launcher, timeout_s),
        lambda: channel_connects(timeout_s),
        lambda: recorder_loads(timeout_s),
        lambda: gpu_marks(timeout_s),
    ]
    with ThreadPoolExecutor(len(every), thread_name_prefix="trial") as threads:
        return list(threads.map(_kept, every))


def _kept(trial: Callable[[], Check]) -> Check:
    """A trial that cannot be made is one that fails."""
    try:
        return trial()
    except (OSError, zmq.ZMQError) as error:
        return Check("trial", False, str(error), "free what is short here, and try again")


def torch_loads(timeout_s: float = TRIAL_S) -> Check:
    """The torch that is installed can be imported: its libraries are found."""
    code, said = _run([sys.executable, "-c", "import torch; print(torch.__version__)"], timeout_s)
    advice = "install it again: `make env`, or SYSTEM=1 with a Python that has it"
    return Check("torch loads", code == 0, _last(said), advice)


def mpi_loads(timeout_s: float = TRIAL_S) -> Check:
    """mpi4py finds an MPI library and can load it."""
    code, said = _run([sys.executable, "-c", PROGRAM], timeout_s)
    advice = "load the MPI module that mpi4py was built for, or `pip install mpich` beside it"
    return Check("MPI loads", code == 0, title(said) if code == 0 else _last(said), advice)


def ranks_meet(launcher: str = "auto", timeout_s: float = TRIAL_S) -> Check:
    """Two ranks of MPI meet in a barrier, started as those of a case are."""
    name = f"{RANKS} ranks meet"
    try:
        found = find(launcher)
    except LaunchError as error:
        return Check(name, False, str(error), "a launcher must be of the MPI that mpi4py loads")
    with tempfile.TemporaryDirectory(prefix="lockstep-doctor-") as folder:
        log = Path(folder) / "launcher.log"
        try:
            job = Job(found, RankMap.on_this_host(RANKS), python_module("lockstep.harness.launch.trial_rank"), {}, log)
        except LaunchError as error:
            return Check(name, False, str(error), "see why this launcher cannot be started")
        try:
            in_time = wait_until(lambda: job.exit_code() is not None, timeout_s)
            code = job.exit_code()
        finally:
            job.end(patience_s=0.0)
        text = log.read_text(errors="replace")
    return _met(name, found.name, text, code if in_time else None, timeout_s)


def _met(name: str, launcher: str, text: str, code: int | None, timeout_s: float) -> Check:
    sizes = [int(size) for size in re.findall(rf"^{MET} \d+ of (\d+)$", text, re.MULTILINE)]
    if code == 0 and sizes == [RANKS] * RANKS:
        return Check(name, True, f"in a barrier of MPI, started by {launcher}")
    if sizes and set(sizes) != {RANKS}:
        other = f"{launcher} is not of the MPI that mpi4py loads: each rank is in a world of {sizes[0]}"
        return Check(name, False, other, "use the mpiexec of that MPI: put it first on PATH, or `pip install mpich`")
    if code is None:
        advice = "look whether this host's name resolves, and whether the loopback interface is up"
        return Check(name, False, f"they did not within {timeout_s:.0f} s: {_last(text)}".rstrip(": "), advice)
    return Check(name, False, f"{launcher} ended with {code}: {_last(text)}", "what it says is from the library or launcher")


def channel_connects(timeout_s: float = TRIAL_S) -> Check:
    """A supervisor's line reaches a watchdog over the loopback, encrypted; and it is told how long that took."""
    advice = "the loopback interface must be up, and nothing may filter it; libzmq needs CURVE (pip install pyzmq)"
    began = time.monotonic()
    with Head(1) as head:
        plan = _plan(head)
        line = Line(plan)
        try:
            line.send(_hello())
            while time.monotonic() - began < timeout_s:
                if any(isinstance(message, Hello) for _, message in head.receive(50)):
                    took = time.monotonic() - began
                    return Check("channel", True, f"a supervisor reaches its watchdog, encrypted, in {took * 1e3:.0f} ms")
                line.receive(0)
        except LostError as error:
            return Check("channel", False, str(error), advice)
        finally:
            line.close()
    return Check("channel", False, f"no word within {timeout_s:.0f} s at {plan.endpoint}", advice)


def _plan(head: Head) -> Plan:
    return Plan(
        endpoint=head.endpoint,
        server_key=head.server_key,
        public_key=head.client_public,
        secret_key=head.client_secret,
        argv=(),
        spec={},
        world=1,
        capacity=0,
        nodes=(1,),
        chosen=False,
        cwd="/",
        machine=machine(),
        ras="",
    )


def _hello() -> Hello:
    return Hello(0, pid=os.getpid(), supervisor=os.getpid(), address=loopback(), **identity(), **clocks())


def recorder_loads(timeout_s: float = TRIAL_S) -> Check:
    """The native recorder is built, and processes start with it. Without one MPI is recorded in Python: that is well too."""
    name, found = "recorder loads", build()
    if found.library is None:
        return Check(name, True, "not tried: there is none, MPI is recorded in Python")
    code, said = _run(["true"], timeout_s, {"LD_PRELOAD": str(found.library)})
    well = code == 0 and not said
    return Check(name, well, "processes start with it" if well else _last(said), f"remove {found.library}, and try again")


def gpu_marks(timeout_s: float = TRIAL_S) -> Check:
    """A stream of the GPU marks a word in the host's memory. A machine without GPUs is well."""
    if not gpus() or not torch_has_cuda():
        return Check("GPU marks", True, "not tried: there is no GPU that this torch can use")
    code, said = _run(python_module("lockstep.harness.launch.trial_gpu"), timeout_s)
    marked = code == 0 and MARKED in said
    found = said.rpartition(MARKED)[2].strip() if marked else _last(said)
    return Check("GPU marks", marked, found, "look at `nvidia-smi`; `gpu.breadcrumbs: false` runs without marks")


def _run(argv: list[str], timeout_s: float, more: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """A command's exit status, and what it says; None where it had to be ended."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(more or {})},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as ended:
        return None, f"{(ended.stdout or b'').decode(errors='replace')}\nno answer within {timeout_s:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace").strip(" \0\n")


def _last(text: str) -> str:
    """What matters of what a program printed: what it says of an error, before a launcher says its part; else its end."""
    lines = [line.strip(" |*") for line in text.splitlines() if line.strip() and not NOISE.match(line)]
    telling = [line for line in dict.fromkeys(lines) if TELLING.search(line)]
    return " / ".join(telling[:3] or [line for line in lines[-3:] if line])[:SAID]
