"""The situation of a case that has no verdict: who waits where and for whom, and where ranks differ. Pure.

It accuses nobody. What a program that stands still is said to do, what `lockstep peek` answers, and what is kept of a case
that was interrupted all come from here.
"""

from __future__ import annotations

from typing import Any

from lockstep.harness.judge.findings import findings
from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.stack_text import main_thread
from lockstep.harness.judge.standing import needs, standing_text
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, Wait
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome

NOBODY = "no process has joined a communicator"


def situation_text(case: CaseSnapshot) -> str:
    """Who waits where and for whom, ranks alike together; other processes; then the first difference, if there is one."""
    tried = Guarded()
    stand = tried("where everybody stands", lambda: standing_text(case), "where ranks stand could not be told")
    parts = [stand] if case.states else [NOBODY, *filter(None, (stand,))]
    difference = tried("the first difference", lambda: difference_text(case), "")
    return "; ".join(parts) + (f". {difference}" if difference else "")


def difference_text(case: CaseSnapshot) -> str:
    """Where ranks, which may all go on, first did not do the same, or what lies between them; empty: nothing is known."""
    told = case.rules.blame(case, Outcome.HANG, Cause.STALL)
    if told is not None:
        return told.text
    met = [finding.text for finding in findings(case) if finding.kind is FindingKind.MISPAIRED]
    return f"{met[0][:1].upper()}{met[0][1:]}" if met else ""


def situation(case: CaseSnapshot) -> dict[str, Any]:
    """The same as data that JSON can hold."""
    folder = case.collected.folder
    ranks: list[dict[str, Any]] = []
    for rank, state in sorted(case.states.items()):
        process, thread = case.processes[rank], main_thread(case.collected.stacks.get(rank, ""), folder)
        ranks.append(
            {
                "rank": rank,
                "status": state.status.value,
                "host": process.host,
                "pid": process.pid,
                "phase": state.phase,
                "shape": state.shape,
                "events": state.number,
                "waits": _waits(case, rank),
                "line": thread.site if thread else "",
            }
        )
    others = {pid: main_thread(text, folder) for pid, text in sorted(case.collected.others.items())}
    return {
        "text": situation_text(case),
        "ranks": ranks,
        "processes": [{"pid": pid, "line": thread.site if thread else ""} for pid, thread in others.items()],
        "findings": [{"kind": finding.kind.value, "text": finding.text} for finding in findings(case)],
    }


def _waits(case: CaseSnapshot, rank: int) -> list[dict[str, Any]]:
    """Those of a rank, as the sentence tells them: in what its threads sleep too."""
    state = case.asleep.get(rank, case.states[rank])
    return [_wait(case, rank, thread, wait) for thread, wait in state.waits() if wait.need is not Need.STREAM]


def _wait(case: CaseSnapshot, rank: int, thread: int, wait: Wait) -> dict[str, Any]:
    kind, name = case.comms.get(wait.comm, ("", wait.comm))
    return {
        "comm": wait.comm,
        "kind": kind,
        "name": name,
        "op": wait.op,
        "seq": wait.seq,
        "tag": wait.tag,
        "site": wait.site,
        "phase": wait.phase,
        "stream": thread >= STREAM_WAITER,
        "for": list(needs(case, rank, thread, wait)),
    }
