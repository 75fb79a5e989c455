"""The diagnosis: what Flight Recorder dumps tell of a hang. Pure; never a proof."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.harness.judge.flight_difference import Mismatch
from lockstep.harness.judge.verdict import WaitLine


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the dumps tell. `waits`: those that cannot end if all dumps held together; `blame`: who parted first."""

    text: str
    proved: bool = False
    ranks: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()  # members of groups that gave no dump
    waits: tuple[WaitLine, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    blame: tuple[int, ...] = ()
    limits: tuple[str, ...] = ()  # what the dumps cannot tell
    unfinished: tuple[WaitLine, ...] = ()  # operations in which ranks stand, with the members that have not come

    @property
    def hangs(self) -> bool:
        """Whether anything points to a hang: a wait that cannot end, or just one that has not."""
        return bool(self.waits or self.unfinished or any(not one.ended for one in self.mismatches))

    @property
    def word(self) -> str:
        """In one word. `waiting`: ranks stand in operations that may still end, as far as the dumps tell."""
        if self.waits or any(one.parted for one in self.mismatches):
            return "hang"
        return "waiting" if self.hangs else "nothing found"
