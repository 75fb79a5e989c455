"""What a process is in that shows no line of its own: the system call, the thing, and who else has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lockstep.harness.judge import words
from lockstep.harness.trace.wait import PIDS, PROCESS, Wait

STREAMS = {0: "its standard input", 1: "its standard output", 2: "its standard error"}
THINGS = {"pipe": "a pipe", "socket": "a socket", "eventfd": "an event"}  # that processes have open, by kinds of ends
CALLS = {"read": "from", "write": "to", "accept": "on"}  # on one descriptor
OF_ITSELF = ("own", "interruptible", "parked", "forked", "alarm")  # kinds of ends that are no things


class Program(NamedTuple):
    """What a process runs. `fd`: the descriptor on which it sleeps; -1: on none, or on several."""

    name: str
    fd: int = -1
    host: str = ""


def sleeps_in(wait: Wait, program: Program | None, lacks: Sequence[int], programs: Mapping[int, Program]) -> str:
    """The call that a process sleeps in, on what, and who else has that; empty where it is no such thing."""
    kinds = [end.partition(" ")[0] for end in _ends(wait)]
    kinds = [kind for kind in kinds if kind not in OF_ITSELF]
    if len(set(kinds)) != 1 or not lacks:
        return ""
    kind, who, has = kinds[0], listed(lacks, programs), "has" if len(lacks) == 1 else "have"
    if kind == "child":
        return f"{wait.op} for the end of {who if len(lacks) == 1 else f'any of {who}'}"
    if kind == "file":  # a lock of one
        return f"{wait.op} for a lock of a file that {who} {has} open"
    if kind not in THINGS:
        return ""
    fd = program.fd if program is not None else -1
    place = f"{STREAMS.get(fd, f'descriptor {fd}')}, " if fd >= 0 and wait.op in CALLS else ""
    thing = THINGS[kind] if len(kinds) == 1 else f"{kind}s"
    return f"{wait.op} {CALLS.get(wait.op, 'on')} {place}{thing} that {who} {has} open{' too' if kind != 'socket' else ''}"


def listed(numbers: Sequence[int], programs: Mapping[int, Program]) -> str:
    """Ranks and processes, these with what they run."""
    ranks = [number for number in numbers if number < PROCESS]
    parts = [words.ranks_text(ranks)] if ranks else []
    for number in sorted(set(numbers) - set(ranks)):
        one = programs.get(number)
        parts.append(f"process {number % PIDS}" + (f" ({one.name})" if one is not None else ""))
    return " and ".join([*([", ".join(parts[:-1])] if parts[1:] else []), *parts[-1:]])


def _ends(wait: Wait) -> list[str]:
    return [part.end for part in wait.parts or (wait,)]
