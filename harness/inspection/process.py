"""The processes of this host: what Linux tells of each, and what it is by its command line and its environment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath

from lockstep.harness.host.proc import Stat, listed
from lockstep.harness.inspection.places import Place, place_of, variables
from lockstep.harness.program_name import program_name

SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh", "fish", "env", "numactl", "taskset", "nice", "timeout", "time")
STARTERS = (
    "torchrun",
    "torch.distributed.run",
    "torch.distributed.launch",
    "mpiexec",
    "mpirun",
    "hydra_pmi_proxy",
    "prterun",
)
AIDES = ("multiprocessing.resource_tracker", "multiprocessing.semaphore_tracker", "multiprocessing.forkserver")
WORKER = "--multiprocessing-fork"  # on the command line of one that it has started


@dataclass(frozen=True, slots=True)
class Process:
    """`variables`: its environment; None: only its owner, or root, may read it."""

    pid: int
    parent: int
    owner: int
    started: int
    ended: bool  # and nobody has asked how
    argv: tuple[str, ...]
    program: str  # the file that it runs
    variables: Mapping[str, str] | None

    @property
    def place(self) -> Place | None:
        """Which rank it is, or is below."""
        return None if self.variables is None else place_of(self.variables)

    @property
    def title(self) -> str:
        """What it is called for people, without what looks like a secret."""
        return program_name(self.argv) if self.argv else PurePath(self.program).name

    @property
    def is_python(self) -> bool:
        """Whether it runs a Python interpreter."""
        return "python" in PurePath(self.program).name

    @property
    def is_wrapper(self) -> bool:
        """Whether it only starts another program, as a shell does."""
        return PurePath(self.program).name in SHELLS or PurePath(self.argv[0] if self.argv else "").name in SHELLS

    @property
    def is_starter(self) -> bool:
        """Whether it starts ranks and is none."""
        names = {PurePath(word).name for word in self.argv[:4]}
        return any(name in names for name in STARTERS)

    @property
    def looks(self) -> bool:
        """Whether it looks at jobs itself, as somebody else's `lockstep inspect train.py` does."""
        names = [PurePath(word).name for word in self.argv]
        return ("lockstep", "inspect") in pairwise(names)

    @property
    def is_aide(self) -> bool:
        """Whether it is one of those that Python's multiprocessing starts for itself."""
        return any(aide in word for word in self.argv for aide in AIDES)


def read() -> dict[int, Process]:
    """All processes of this host but this one and those that started it."""
    found = {}
    for entry in listed(Path("/proc")):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found[int(entry.name)] = _process(int(entry.name))
    return found


def _process(pid: int) -> Process:
    folder = Path(f"/proc/{pid}")
    stat = Stat.of(pid)
    words = tuple(word.decode(errors="replace") for word in (folder / "cmdline").read_bytes().split(b"\0") if word)
    environment: dict[str, str] | None = None
    program = ""
    with contextlib.suppress(OSError):
        environment = variables((folder / "environ").read_bytes())
        program = str((folder / "exe").readlink())
    return Process(
        pid, stat.parent, folder.stat().st_uid, stat.started, stat.ended, words, program, None if stat.ended else environment
    )
