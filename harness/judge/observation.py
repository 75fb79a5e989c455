"""What was seen of a process that knows nothing of us, from outside and at a few moments; and where that says it stands.

Plain data and pure. Nothing here is part of a proof.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lockstep.harness.judge.stack_text import DECORATOR, Frame, frames, main_thread, place_text

COMMUNICATES = ("/torch/distributed/", "/mpi4py/", "/torch/cuda/")
# What a line calls whose frames are compiled and tell nothing, by the library that the process has loaded.
CALLS = {
    "mpi": re.compile(
        r"\.\s*(I?(?:all_?reduce|all_?gather[vw]?|all_?to_?all[vw]?|barrier|bcast|gatherv?|scatterv?|reduce(?:_scatter(?:_block)?)?|"
        r"exscan|scan|[sbr]?send|recv|sendrecv(?:_replace)?|m?probe|mrecv|wait(?:all|any|some)?|split|dup|create(?:_group)?|"
        r"spawn|connect|accept|disconnect|finalize|fence|lock|unlock))\s*\(",
        re.IGNORECASE,
    ),
    "torch": re.compile(r"\.\s*(wait|all_?reduce|all_?gather|barrier|broadcast|send|recv)\s*\("),
    "cuda": re.compile(r"\.\s*(synchronize|item|tolist|cpu|numpy)\s*\("),
}


@dataclass(frozen=True, slots=True)
class KernelWait:
    """Where a thread is in the kernel. `call`: the system call; empty: it computes, or nobody may know."""

    thread: int
    state: str  # one letter, as in /proc: R runs, S sleeps, D cannot be woken, T is stopped
    call: str = ""
    where: str = ""  # the kernel's function
    peer: str = ""  # address of the other end, where it waits at a socket


def from_json(raw: Mapping[str, Any]) -> Observation:
    """The inverse of `dataclasses.asdict`, from another host. Raises TypeError and LookupError for anything else."""
    waits = tuple(KernelWait(**wait) for wait in raw["waits"])
    lists = {name: tuple(map(str, raw[name])) for name in ("connecting", "libraries")}
    return Observation(**{**raw, **lists, "waits": waits})


@dataclass(frozen=True, slots=True)
class Observation:
    """One process. `rank`: None: it is none, or nobody says which. `stack`: of all its threads, at the last look."""

    host: str
    pid: int
    rank: int | None
    name: str  # program and arguments, for people
    stack: str = ""
    error: str = ""  # why there is no stack
    waits: tuple[KernelWait, ...] = ()  # the main thread first
    moved: bool = False  # its stacks, or the values of its variables, changed between looks
    asleep: bool = False  # its main thread did not run at all between the first look and the last
    ran: float | None = None  # seconds of the processor's time that it has used meanwhile
    gone: bool = False  # it ended while it was looked at
    folder: str = ""  # that it works in
    connecting: tuple[str, ...] = ()  # addresses that do not answer
    libraries: tuple[str, ...] = ()  # of those that communicate: mpi, torch, cuda
    watched: bool = False  # Lockstep has started it
    parent: int = 0  # the process that has started it
    flight: Mapping[str, Any] = field(default_factory=dict)  # its Flight Recorder, where it has given it

    @property
    def standing(self) -> Standing:
        """Where it stands, by the last look."""
        return standing(self.stack, self.folder, self.libraries)

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger holds it."""
        return bool(self.waits) and self.waits[0].state in ("T", "t")

    @property
    def may_have_moved(self) -> bool:
        """Whether it has run in between, though it was at the same place. Libraries of MPI do so while they wait."""
        spins = bool(self.stack) and "mpi" in self.libraries
        return not (self.moved or self.asleep or self.stopped or spins)

    @property
    def wait(self) -> KernelWait | None:
        """That of its main thread."""
        return self.waits[0] if self.waits else None


@dataclass(frozen=True, slots=True)
class Standing:
    """`site`: the program's own line. `operation`: the communication that it is in; empty: none that is known."""

    site: str = ""
    operation: str = ""
    text: str = ""  # for people


def standing(text: str, folder: str = "", libraries: Sequence[str] = ()) -> Standing:
    """From the stacks of one process. A thread that communicates tells more than the main one."""
    for stack in frames(text):
        at = next((number for number, frame in enumerate(stack) if _is_own(frame)), None)
        if at is None:
            continue
        operation = _operation(stack[:at], stack[at].code, libraries)
        if operation:
            site = stack[at].site(folder)
            return Standing(site, operation, f"in {operation} at {site}")
    thread = main_thread(text, folder)
    return Standing() if thread is None else Standing(thread.site, "", place_text(thread))


def path(text: str, folder: str = "") -> tuple[tuple[str, str, int], ...]:
    """The program's own lines of the first thread that has any, the outermost first: file, function, line."""
    for stack in frames(text):
        own = [(frame.file, frame.function, frame.line) for frame in reversed(stack) if _is_own(frame)]
        if own:
            return tuple(own)
    return ()


def _is_own(frame: Frame) -> bool:
    """Whether a line is the program's. A library that communicates is none of it, from wherever it was installed."""
    return frame.is_program and not any(part in frame.file for part in COMMUNICATES)


def _operation(inner: Sequence[Frame], code: str, libraries: Sequence[str]) -> str:
    """What the program's line has called: a function of a library that communicates, or what the line itself says."""
    for frame in reversed(inner):
        if any(part in frame.file for part in COMMUNICATES) and DECORATOR not in frame.file:
            return frame.function
    patterns = [CALLS[library] for library in libraries if library in CALLS and not inner]
    return next((found[1] for pattern in patterns if (found := pattern.search(code))), "")
