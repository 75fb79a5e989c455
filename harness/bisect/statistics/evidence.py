"""What is known of the commits so far: launches that count, and commits that cannot be judged, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.harness.bisect.statistics.judgement import Judgement
from lockstep.harness.bisect.statistics.posterior import Tally


@dataclass(slots=True)
class Evidence:
    """By commit number. A commit that once could not be judged, or showed something else, is not launched again."""

    tallies: dict[int, Tally] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    others: set[int] = field(default_factory=set)  # of the skipped ones: those that showed something else
    launches: int = 0

    def add(self, commit: int, judgement: Judgement, words: str) -> None:
        """Count one launch; `words` say what it showed."""
        self.launches += 1
        before = self.tallies.get(commit, Tally())
        if judgement is Judgement.BAD:
            self.tallies[commit] = Tally(before.hangs + 1, before.clean)
        elif judgement is Judgement.GOOD:
            self.tallies[commit] = Tally(before.hangs, before.clean + 1)
        elif judgement is Judgement.OTHER:
            self.skip(commit, f"it shows something else: {words}")
            self.others.add(commit)
        else:
            self.skip(commit, f"it could not be judged: {words}")

    def skip(self, commit: int, why: str) -> None:
        """Note that a commit cannot be judged."""
        self.skipped.setdefault(commit, why)

    def of(self, commit: int) -> Tally:
        """The launches of a commit that count."""
        return self.tallies.get(commit, Tally())

    def counted(self, commit: int) -> int:
        """How many they are."""
        return self.of(commit).hangs + self.of(commit).clean
