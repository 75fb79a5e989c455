"""Who waits, in whatever operation, among ranks of which one has died: most likely for ever, but that is no proof. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.trace.state import Status

_FAILED = (Status.DEAD, Status.RAISED, Status.ABORTED)


def failed(case: CaseSnapshot) -> Sequence[int]:
    """The ranks that have raised, died, or ended the job."""
    return sorted(rank for rank, state in case.states.items() if state.status in _FAILED)


def bereft_of(case: CaseSnapshot) -> Sequence[int]:
    """The ranks that have failed and that belong to a communicator in which another one waits."""
    waited_in = {
        part.comm
        for state in case.states.values()
        if state.status is Status.RUNNING
        for _, wait in state.waits()
        for part in wait.parts or (wait,)
    }
    members = {rank for comm in waited_in for rank in case.members.get(comm, ())}
    return sorted(rank for rank in members if rank in case.states and case.states[rank].status in _FAILED)
