"""A rank that is forked from its supervisor, where that was forked from a process which has imported what ranks import.

It becomes what `exec` would have made of it: descriptors, environment, signals, seeds, arguments, and a stack that begins
with its program. Where its environment might have changed what was imported it is a process of its own start.
"""

from __future__ import annotations

import fcntl
import gc
import io
import os
import runpy
import signal
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from lockstep.harness.environment import RANK, TOKEN, WORLD
from lockstep.harness.host import spawning
from lockstep.harness.host.process_title import ProcessTitle

# Variables that nothing reads which the server imports: they are read by MPI, which it does not, or when a process group, a
# temporary file or a CUDA context is made. Fortran's says how it prints.
FREE = (
    *("LOCKSTEP_", "PMI_", "PMIX_", "PRTE_", "OMPI_", "HYDI_", "HYDRA_", "MPI_LOCAL", "MPIR_", "MPICH_", "UCX_", "FI_"),
    "OPAL_",
    *("HWLOC_", "NCCL_", "GLOO_", "TORCH_NCCL_", "TORCH_FR_"),
)
FREE_NAMES = (
    *("TMPDIR", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "GFORTRAN_UNBUFFERED_PRECONNECTED"),
    *("PWD", "OLDPWD", "SHLVL", "_"),
)
LONGEST_SHOWN = 1024  # characters of a variable's value in what others see


@dataclass(frozen=True, slots=True)
class Imported:
    """The fork server as it was before and after it imported: what its forks begin from."""

    environ: dict[str, str]
    path: list[str]
    descriptors: frozenset[int]  # that what it imported has opened
    title: ProcessTitle

    def differing(self, env: Mapping[str, str]) -> list[str]:
        """Variables that differ in `env`, and that may have been read while it imported."""
        names = sorted(name for name in {*env, *self.environ} if env.get(name) != self.environ.get(name))
        return [name for name in names if not name.startswith(FREE) and name not in FREE_NAMES]

    def show(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Let others see these; no value that is long."""
        first = {name: env[name] for name in (TOKEN, RANK, WORLD) if name in env}
        more = {name: value for name, value in env.items() if self.environ.get(name) != value and len(value) < LONGEST_SHOWN}
        self.title.write(argv, {**first, **more})

    def _hindrance(self, argv: Sequence[str], env: Mapping[str, str]) -> str:
        """Why a rank is to be a process of its own start; empty: it need not."""
        if argv[0] != sys.executable or program_of(argv) is None:
            return f"{sys.executable} may run it in another way than {argv[0]} {' '.join(argv[1:2])} says"
        names = self.differing(env)
        return f"{', '.join(names)} might have changed what was imported" if names else ""

    def start(self, argv: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> spawning.ReapedProcess:
        """Start a rank's engine, as `spawning.start_engine` does. Raises ForkedRank in the rank."""
        if why := self._hindrance(argv, env):
            print(f"lockstep supervisor: its rank is not forked: {why}", file=sys.stderr, flush=True)
            return spawning.start_engine(argv, env, output)
        dies = spawning.dies_with(os.getpid())
        pid = os.fork()
        if pid:
            return ForkedProcess(pid, argv)
        dies()
        raise ForkedRank(Order(self, tuple(argv), dict(env), os.dup(output.fileno())))


class ForkedProcess(spawning.ReapedProcess):
    """A child that was forked and executes nothing."""

    def __init__(self, pid: int, argv: Sequence[str]) -> None:
        self._child_created = False  # what Popen asks at its end: whether it should reap
        self.pid, self.args, self.returncode = pid, argv, None
        self.stdin = self.stdout = self.stderr = None


class ForkedRank(BaseException):
    """Unwinds the stack of the supervisor, of which a rank is a copy: with it goes all that the supervisor has open."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order


@dataclass(frozen=True, slots=True)
class Order:
    """What a rank is to do once its stack is empty. `output`: the descriptor to which it prints."""

    imported: Imported
    argv: tuple[str, ...]
    env: dict[str, str]
    output: int

    def obey(self) -> None:
        """Become the rank, and run it. Ends as the interpreter would."""
        gc.collect()  # what the supervisor had open is closed
        os.setsid()
        self._descriptors()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for signum in (signal.SIGTERM, signal.SIGHUP):  # which the supervisor has a handler for
            signal.signal(signum, signal.SIG_DFL)
        replace_environment(self.env)
        sys.path[:] = self.imported.path
        self.imported.show(self.argv, self.env)
        if random := sys.modules.get("numpy.random"):
            random.seed()  # Python's own does so by itself
        sys.excepthook = _without_ours
        sys.orig_argv[:] = self.argv
        run(self.argv)

    def _descriptors(self) -> None:
        """Those that a program which was executed would have, and no others."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, number in ((nothing, 0), (self.output, 1), (self.output, 2)):
            os.dup2(descriptor, number)
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
            number = int(name)
            try:
                flags = fcntl.fcntl(number, fcntl.F_GETFD)
            except OSError:
                continue
            if flags & fcntl.FD_CLOEXEC and number not in self.imported.descriptors:
                os.close(number)


def program_of(argv: Sequence[str]) -> tuple[bool, str, tuple[str, ...]] | None:
    """Whether the current or the program's folder is kept out of Python's path, the module (`-m NAME`) or the file that is
    run, and its arguments; None for a command line that says more than that."""
    words = list(argv[1:])
    safe = words[:1] == ["-P"]
    words = words[1:] if safe else words
    if words[:1] == ["-m"] and len(words) > 1:
        return safe, f"-m {words[1]}", tuple(words[2:])
    return (safe, words[0], tuple(words[1:])) if words and not words[0].startswith("-") else None


def run(argv: Sequence[str]) -> None:
    """Run a program of Python as `python` itself does: as `__main__`, at the bottom of the stack."""
    if (found := program_of(argv)) is None:
        raise ValueError(f"{argv} is no program of Python")
    safe, what, arguments = found
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if what.startswith("-m "):
        if not safe:
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
        sys.argv[:] = ["-m", *arguments]
        runpy._run_module_as_main(what[3:])  # type: ignore[attr-defined]  # what `python -m` calls
        return
    if not safe:
        sys.path.insert(0, str(Path(what).resolve().parent))
    sys.argv[:] = [what, *arguments]
    with io.open_code(what) as file:
        code = compile(file.read(), what, "exec")
    main.__dict__.update(__file__=what, __builtins__=__builtins__, __cached__=None)
    exec(code, main.__dict__)


def replace_environment(env: Mapping[str, str]) -> None:
    """For Python and for C; in place, since others hold `os.environ`."""
    os.environ.clear()
    os.environ.update(env)


def _without_ours(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    """Print an error of the program's as if nothing was below it."""
    below = tb
    while below is not None:
        if below.tb_frame.f_code.co_filename == __file__:
            tb = below.tb_next
        below = below.tb_next
    sys.__excepthook__(kind, error.with_traceback(tb), tb)
