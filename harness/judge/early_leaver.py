"""A rank that left before its time, and over whose closed socket another one failed: the first is to blame. Pure."""

from __future__ import annotations

import re

from lockstep.harness.judge import clock, words
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.trace.state import Status

# What libraries say when the process at the other end of a socket is gone.
_CLOSED = re.compile(
    r"closed by peer|reset by peer|broken pipe|connection (was )?(closed|refused|reset|aborted)|peer .*(closed|failed|left)"
    r"|socket closed|remote process",
    re.IGNORECASE,
)


def early_leaver(case: CaseSnapshot) -> Blame | None:
    """Of a program in which the first error is that of a closed socket, a member that had returned before it."""
    raised = {rank: case.histories[rank].failed for rank, s in case.states.items() if s.status is Status.RAISED}
    if not raised:
        return None
    victim = clock.first(raised)[0]
    history = case.histories[victim]
    if history.error is None or not _CLOSED.search(history.error[1]):
        return None
    left = {
        rank: case.ended(rank)
        for rank, state in case.states.items()
        if state.status is Status.RETURNED and not history.failed.before(case.ended(rank))
        and any(rank in info.members for info in history.comms.values())
    }  # fmt: skip
    if not left:
        return None
    first, *others = clock.first(left)
    text = f"Rank {first} returned{_earlier(case, first, victim)}; rank {victim} failed over it{_place(case, victim)}"
    if others:
        text += words.perhaps_earlier_text(others, max(left[rank].within_ns for rank in (first, *others)))
    state = case.states[first]
    detail = f"{history.error[0]}: {history.error[1]}"
    return Blame((first, *others), "returned", text, phase=state.phase, shape=state.shape, choice="returned", detail=detail)


def _earlier(case: CaseSnapshot, first: int, victim: int) -> str:
    """By how many collectives of which group it left the victim behind."""
    mine, theirs = case.states[first].entered, case.states[victim].entered
    fewer = {comm: number - mine[comm] for comm, number in theirs.items() if comm in mine and number > mine[comm]}
    if not fewer:
        return ""
    comm = max(fewer, key=lambda key: fewer[key])
    return f" {fewer[comm]} collective{'' if fewer[comm] == 1 else 's'} of {group_name(case, comm)} before the others"


def _place(case: CaseSnapshot, rank: int) -> str:
    """The innermost line of the program in its traceback."""
    error = case.histories[rank].error
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', error[2] if error else "")
    own = [frame for frame in frames if not any(part in frame[0] for part in ("/site-packages/", "/lib/python3", "<"))]
    if not own:
        return ""
    file, line, function = own[-1]
    folder = case.collected.folder.rstrip("/") + "/"
    return f" at {file.removeprefix(folder)}:{line} in {function}"
