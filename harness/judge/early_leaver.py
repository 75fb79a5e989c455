"""A rank that left before its time, and over whose closed socket another one failed: the first is to blame. Pure."""

from __future__ import annotations

import re

from lockstep.harness.judge import clock, words
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.stack_text import LIBRARIES
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.trace.state import Status

# What libraries say when the process at the other end of a socket is gone.
_CLOSED = re.compile(
    r"closed by peer|reset by peer|broken pipe|connection (was )?(closed|refused|reset|aborted)|peer .*(closed|failed|left)"
    r"|socket closed|remote process",
    re.IGNORECASE,
)


def early_leaver(case: CaseSnapshot) -> Blame | None:
    """Of a program in which the first error is that of a closed socket, a member that had left the group before it.

    That is one which had returned, or which returned later, in order, and never came to what the victim was in: it closed
    its groups (`destroy_process_group`) as its last act, and a process takes its time to end.
    """
    victim = first_raised(case)
    if victim is None:
        return None
    history = case.histories[victim]
    if not failed_over_socket(case, victim):
        return None
    left = {
        rank: case.ended(rank)
        for rank, state in case.states.items()
        if state.status is Status.RETURNED and any(rank in info.members for info in history.comms.values())
        and (_fewer(case, rank, victim) or not history.failed.before(case.ended(rank)))
    }  # fmt: skip
    if not left:
        return None
    first, *others = clock.first(left)
    text = f"Rank {first} returned{_earlier(case, first, victim)}; rank {victim} failed over it{_place(case, victim)}"
    if others:
        text += words.perhaps_earlier_text(others, max(left[rank].within_ns for rank in (first, *others)))
    state = case.states[first]
    detail = ": ".join(history.error[:2]) if history.error else ""
    return Blame((first, *others), "returned", text, phase=state.phase, shape=state.shape, choice="returned", detail=detail)


def failed_over_socket(case: CaseSnapshot, rank: int) -> bool:
    """Whether the error of a rank says that the process at the other end of a socket is gone."""
    error = case.histories[rank].error
    return error is not None and _CLOSED.search(error[1]) is not None


def first_raised(case: CaseSnapshot) -> int | None:
    """The rank that told an error first."""
    raised = {rank: case.histories[rank].failed for rank, s in case.states.items() if s.status is Status.RAISED}
    return clock.first(raised)[0] if raised else None


def _earlier(case: CaseSnapshot, first: int, victim: int) -> str:
    """By how many collectives of which group it left the victim behind."""
    fewer = _fewer(case, first, victim)
    if not fewer:
        return ""
    comm = max(fewer, key=lambda key: fewer[key])
    return f" {fewer[comm]} collective{'' if fewer[comm] == 1 else 's'} of {group_name(case, comm)} before the others"


def _fewer(case: CaseSnapshot, rank: int, victim: int) -> dict[str, int]:
    """How many collectives fewer of each group a rank has entered than the victim."""
    mine, theirs = case.states[rank].entered, case.states[victim].entered
    return {comm: number - mine[comm] for comm, number in theirs.items() if comm in mine and number > mine[comm]}


def _place(case: CaseSnapshot, rank: int) -> str:
    """The innermost line of the program in its traceback."""
    error = case.histories[rank].error
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', error[2] if error else "")
    own = [frame for frame in frames if not any(part in frame[0] for part in LIBRARIES)]
    if not own:
        return ""
    file, line, function = own[-1]
    folder = case.collected.folder.rstrip("/") + "/"
    return f" at {file.removeprefix(folder)}:{line} in {function}"
