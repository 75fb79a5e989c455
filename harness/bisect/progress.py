"""A bisection as people watch it: one line a launch, on stderr."""

from __future__ import annotations

import sys
import threading

import numpy as np

from lockstep.harness.bisect.repository import Range
from lockstep.harness.bisect.state import Launched
from lockstep.harness.bisect.statistics.judgement import Judgement, words
from lockstep.harness.bisect.statistics.posterior import Posterior
from lockstep.harness.bisect.statistics.suspects import Suspects
from lockstep.harness.judge.verdict import Verdict


class Progress:
    """Prints what launches showed, and how many suspects are left."""

    def __init__(self, commits: Range, suspects: Suspects) -> None:
        self._commits = commits
        self._suspects = suspects
        self._lock = threading.Lock()

    def launched(self, launched: Launched, commit: int, found: Judgement, verdict: Verdict) -> None:
        """One launch was judged."""
        self._say(f"launch {launched.number}: {found.value:7} {self.name(commit)}: {words(verdict)}")

    def skipped(self, commit: int, why: str) -> None:
        """A commit cannot be launched."""
        self._say(f"skipped:  {self.name(commit)}: {why}")

    def left(self, belief: Posterior) -> None:
        """What remains: the number of equally likely commits that would be as uncertain."""
        left = 2.0 ** float(-np.sum(belief.mass * np.log2(np.maximum(belief.mass, 1e-300))))
        noun, likeliest = self._commits.noun, belief.mass.max()
        remain = f"about {left:.0f} {noun}{' is' if round(left) == 1 else 's are'} left"
        self._say(f"{'':10}{remain}; the likeliest has probability {likeliest:.3f}")

    def name(self, commit: int) -> str:
        """A commit, its place, and whether it is an end."""
        sha = self._commits.short(self._commits.sha(commit))
        place = 0 if commit == self._suspects.older else commit + 1
        end = {self._suspects.good: ", good end", self._suspects.bad: ", bad end"}.get(commit, "")
        return f"{sha} ({place} of {self._suspects.count}{end})"

    def _say(self, text: str) -> None:
        with self._lock:
            print(text, file=sys.stderr, flush=True)
