"""The search: both ends first, then the commits that tell the most, until the culprit is known well enough.

It launches nothing itself: `launch` takes steps and adds what they showed to the evidence. So the same search runs over
real launches, over what a killed one left on disk, and over simulated ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.bisect.errors import BisectionError, NotJudged
from lockstep.harness.bisect.statistics.choice import Step, choose
from lockstep.harness.bisect.statistics.conclusion import Conclusion, conclude, smallest
from lockstep.harness.bisect.statistics.evidence import Evidence
from lockstep.harness.bisect.statistics.posterior import Posterior, Prior, posterior
from lockstep.harness.bisect.statistics.suspects import Suspects
from lockstep.harness.rates import launches_to_see

CERTAIN = Prior(certain=0.995)  # asked for no repetition: a hang is taken to show always, until a launch says otherwise
FLAKY = Prior(certain=0.5)
LOWEST_RATE = 0.1  # of a hang that the bad end must show, where repetition was asked for
MISS = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """How sure to be, and how."""

    confidence: float = 0.95
    repeat: int = 1  # launches of each end; more than 1: the hang may be flaky
    jobs: int = 1  # steps at once
    most: int | None = None  # launches in all

    def __post_init__(self) -> None:
        """Raise ValueError for what makes no sense."""
        if not 0.5 <= self.confidence < 1.0:
            raise ValueError(f"--confidence {self.confidence}: give a probability from 0.5 on and below 1")
        if self.repeat < 1:
            raise ValueError(f"--repeat {self.repeat}: give a number of launches from 1 on")
        if self.most is not None and self.most < 2:
            raise ValueError(f"--most {self.most}: both ends alone need two launches")

    @property
    def prior(self) -> Prior:
        """What is believed of the rate at first."""
        return CERTAIN if self.repeat == 1 else FLAKY


@dataclass(slots=True)
class Search:
    """One search. `run` may be called again with more evidence, or with other options."""

    suspects: Suspects
    evidence: Evidence
    options: Options
    launch: Callable[[Sequence[Step]], None]
    build_cost: Callable[[], Mapping[int, float]] = dict  # in launches, of commits that are not built
    tell: Callable[[Posterior], None] = lambda belief: None
    belief: Posterior = field(init=False)

    def __post_init__(self) -> None:
        self._look()

    def run(self) -> Conclusion:
        """Search to the end. Raises BisectionError when an end is not what it should be."""
        self._check_bad_end()
        self._check_good_end()
        while True:
            self._look()
            if self.evidence.of(self.suspects.good).hangs:
                raise BisectionError(GOOD_HANGS)
            found = conclude(self.suspects, self.belief, self.evidence.skipped, self.options.confidence)
            if found is None and self._left() == 0:
                return self.unfinished()
            if found is not None:
                return found
            self.tell(self.belief)
            steps = choose(
                self.suspects,
                self.belief,
                self.evidence.skipped,
                self.evidence.tallies.keys() - self.evidence.skipped.keys(),
                self.build_cost(),
                min(self.options.jobs, self._left()),
            )
            if not steps:
                return self.unfinished()
            self.launch([Step(step.commit, min(step.launches, self._left())) for step in steps])

    def unfinished(self) -> Conclusion:
        """The suspects that are left when the search ends early: the fewest that together have the confidence."""
        self._look()
        members = smallest(self.belief.mass, self.options.confidence)
        inside = tuple(commit for commit in members if commit != self.suspects.outside)
        return Conclusion("unfinished", inside, float(self.belief.mass[list(members)].sum()))

    def _check_bad_end(self) -> None:
        """Launch the bad end: as often as was asked for, and until it hangs or can be taken not to."""
        end, repeat = self.suspects.bad, self.options.repeat
        most = 1 if repeat == 1 else max(repeat, launches_to_see(LOWEST_RATE, MISS))
        while self.evidence.counted(end) < repeat or not self.evidence.of(end).hangs:
            self._usable(end, "bad")
            done = self.evidence.counted(end)
            if done >= most:
                raise BisectionError(_bad_is_good(done))
            wanted = repeat - done if done < repeat else self.options.jobs
            self.launch([Step(end, 1)] * min(self.options.jobs, wanted, most - done))
        self._look()

    def _check_good_end(self) -> None:
        end = self.suspects.good
        while self.evidence.counted(end) < self.options.repeat and not self.evidence.of(end).hangs:
            self._usable(end, "good")
            self.launch([Step(end, 1)] * min(self.options.jobs, self.options.repeat - self.evidence.counted(end)))
        if self.evidence.of(end).hangs:
            raise BisectionError(GOOD_HANGS)

    def _usable(self, end: int, name: str) -> None:
        if end in self.evidence.skipped:
            error = BisectionError if end in self.evidence.others else NotJudged
            raise error(f"the {name} end cannot be used: {self.evidence.skipped[end]}")

    def _look(self) -> None:
        self.belief = posterior(self.suspects, self.evidence.tallies, self.options.prior)

    def _left(self) -> int:
        return 1 << 30 if self.options.most is None else max(0, self.options.most - self.evidence.launches)


GOOD_HANGS = "the good end is bad: it shows the wanted hang too; give an end that does not"


def _bad_is_good(launches: int) -> str:
    if launches == 1:
        text = "the bad end is good: one launch of it did not show the hang"
        return f"{text}; if the hang is flaky, --repeat N launches each end N times (N = 9 for one of rate 0.3)"
    return f"the bad end is good: none of {launches} launches of it showed the hang"
