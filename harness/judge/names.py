"""What a communicator is called in a sentence. Pure."""

from __future__ import annotations

import re

from lockstep.harness.judge import words
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.trace.state import Wait

_HASH = re.compile(r"\b[0-9a-f]{16,}\b")


def group_name(case: CaseSnapshot, comm: str) -> str:
    """Library and name; a name that is only a hash, or that several groups have, says who its members are."""
    kind, name = case.comms.get(comm, ("", comm))
    members = case.members.get(comm, ())
    if _HASH.search(name):
        return f"{kind} group of {words.ranks_text(members)}" if members else f"{kind} group"
    same = [key for key, (_, other) in case.comms.items() if other == name and case.members.get(key, ()) != members]
    return f"{kind} {name}" + (f" of {words.ranks_text(members)}" if same and members else "")


def wait_name(case: CaseSnapshot, wait: Wait) -> str:
    """The operation that a wait is in, and its line."""
    what = f"{group_name(case, wait.comm)} {wait.op} #{wait.seq}" if wait.comm else wait.op
    return what + (f" at {wait.site}" if wait.site else "")
