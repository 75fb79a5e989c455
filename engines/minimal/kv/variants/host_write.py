"""How ranks write to the host tier, and exchange what has ended (sgl-project/sglang#28429)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class HostWrite(Protocol):
    """Asked for each prompt, and in each step."""

    def writes(self, fits: bool, new: int, tp: Communicator) -> bool:
        """Whether this rank writes a prompt of which `new` blocks are not yet there, where it has room for them or not."""

    def comes(self, number: int, ongoing: int, recorder: Recorder) -> bool:
        """Whether it comes to the exchange of a step, with so many writes of its own."""


class Reserve:
    """Sound: all ranks write a prompt, or none does; all exchange what has ended."""

    def writes(self, fits: bool, new: int, tp: Communicator) -> bool:
        """Also a rank that has it all comes, and counts a write, so that counts mean the same on every rank."""
        return all(tp.allgather(fits, "host reserve"))

    def comes(self, number: int, ongoing: int, recorder: Recorder) -> bool:
        """Always."""
        return True


class Always(Reserve):
    """Each writes if it can, so that prefixes differ; all come to the exchange (what sgl-project/sglang#28429 proposes)."""

    def writes(self, fits: bool, new: int, tp: Communicator) -> bool:
        """By its own room."""
        return fits and new > 0


class Gated(Always):
    """A rank that has written nothing skips the exchange as if nobody had (sgl-project/sglang#28429)."""

    def comes(self, number: int, ongoing: int, recorder: Recorder) -> bool:
        """If it has written."""
        recorder.decision("decode.write_check", f"step={number}", "meet" if ongoing else "pass", deviates=not ongoing)
        return ongoing > 0


HOST_WRITE = Point[HostWrite](
    "host_write",
    "how ranks write to the host tier: all or none; `always`: each if it can, and all exchange what has ended; `gated`: "
    "only those exchange it that have written",
    {"reserve": Reserve(), "always": Always(), "gated": Gated()},
)
