"""A display that shows nothing: a bisection has its own lines."""

from __future__ import annotations

from lockstep.harness.report.line import Line
from lockstep.harness.scenario.case import Case
from lockstep.harness.watchdog.ranks.rank_table import RankTable


class Silent:
    """A display of a run, for one launch of a commit."""

    def begin(self, case: Case) -> None:
        """A case is being launched."""

    def tick(self, case: Case, ranks: RankTable) -> None:
        """Its ranks have moved."""

    def notice(self, case: Case, text: str) -> None:
        """Nothing of it has moved for a while."""

    def end(self, case: Case, line: Line) -> None:
        """It has been judged."""
