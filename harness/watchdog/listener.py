"""What is told of a case while it is watched, to whoever started it."""

from __future__ import annotations

from typing import Protocol

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.stop_signals import StopSignals
from lockstep.harness.watchdog.ranks.rank_table import RankTable


class Listener(Protocol):
    """Called in the thread that watches the case."""

    @property
    def stop_signals(self) -> StopSignals:
        """By which the case is to end with what is known of it."""

    def tick(self, ranks: RankTable) -> None:
        """The watchdog has listened for a moment; ranks may have moved."""

    def output(self, stream: str, data: bytes) -> None:
        """What a program printed, as it comes. Of engines nothing is told: each has its own file."""

    def judged(self, verdict: Verdict) -> None:
        """The verdict, as soon as it is certain: before evidence is gathered, and before anything is ended."""

    def notice(self, text: str) -> None:
        """Nothing has moved for a while. It is no verdict: it may be as it should be."""

    def stopped(self) -> bool:
        """Whether the case is to end without a verdict: another case of its run has failed Lockstep itself."""


class Silent:
    """Wants to know nothing."""

    stop_signals = StopSignals()  # that nobody hears

    def tick(self, ranks: RankTable) -> None:
        """Nothing is shown."""

    def output(self, stream: str, data: bytes) -> None:
        """The files of the case have it."""

    def judged(self, verdict: Verdict) -> None:
        """Who started the case gets it in the end."""

    def notice(self, text: str) -> None:
        """Who started the case waits for its verdict."""

    def stopped(self) -> bool:
        """It goes on."""
        return False
