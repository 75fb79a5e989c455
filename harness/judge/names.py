"""What a communicator is called in a sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lockstep.harness.judge import words
from lockstep.harness.judge.snapshot import CaseSnapshot

_HASH = re.compile(r"\b[0-9a-f]{16,}\b")


def group_name(case: CaseSnapshot, comm: str) -> str:
    """Library and name; a name that is only a hash, or that several groups have, says who its members are."""
    kind, name = case.comms.get(comm, ("", comm))
    members = _members(case, comm)
    if _HASH.search(name):
        return f"{kind} group of {words.ranks_text(members)}" if members else f"{kind} group"
    same = [key for key, (_, other) in case.comms.items() if other == name and _members(case, key) != members]
    return f"{kind} {name}" + (f" of {words.ranks_text(members)}" if same and members else "")


def _members(case: CaseSnapshot, comm: str) -> Sequence[int]:
    return next((h.comms[comm].members for h in case.histories.values() if comm in h.comms), ())
