"""A run that Slurm ends: what its ranks did since then says nothing of the case."""

from __future__ import annotations

import sys

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch import allocation
from lockstep.harness.vocabulary import Outcome


def slurms(verdict: Verdict) -> str | None:
    """Why the verdict may be Slurm's work; None: it is not."""
    return None if verdict.outcome is Outcome.SUCCESS else allocation.ending()


def not_by_slurm(verdict: Verdict) -> Verdict:
    """The verdict, unless it may be Slurm's work: an allocation that is being ended kills ranks, in any order.

    Raises KeyboardInterrupt then: the case has not been judged, and the run is over.
    """
    if why := slurms(verdict):
        print(f"lockstep: {why}", file=sys.stderr)
        raise KeyboardInterrupt
    return verdict
