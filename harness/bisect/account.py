"""The account of a bisection: what was found, how sure that is, and every commit that was looked at. As plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lockstep.harness.bisect.launches import Launches
from lockstep.harness.bisect.statistics.conclusion import Conclusion
from lockstep.harness.bisect.statistics.judgement import words
from lockstep.harness.bisect.statistics.rates import rate_interval
from lockstep.harness.bisect.statistics.search import MISS, Search
from lockstep.harness.rates import launches_to_see, rate_seen

SCHEMA = "lockstep.bisection-report/1"
SHOWN = 0.001  # suspects below this probability that were never launched are not listed
RATES = (0.1, 0.3, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one launch showed."""

    words: str
    file: str  # its verdict, relative to the report


@dataclass(frozen=True, slots=True)
class Line:
    """One commit of the range, or an end."""

    commit: str
    subject: str
    number: int  # in topological order from 1; 0: the older end
    end: str  # good, bad, or empty
    hangs: int  # launches with the wanted signature
    clean: int
    skipped: str  # why it was not launched again; empty if it can be
    probability: float  # that it is the culprit
    verdicts: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """All that a report says."""

    repository: str
    case: str
    find: str
    good: str
    bad: str
    wanted: str
    kind: str  # commit, range, outside, unfinished
    found: tuple[str, ...]
    probability: float
    confidence: float
    text: str
    details: tuple[str, ...]  # of the one that was found: who made it, when, what it changes, how to see it
    suspects: int
    launches: int
    rate: float
    rate_low: float
    rate_high: float
    missed: tuple[str, ...]  # sentences
    outside: float  # probability that no commit of the range is the culprit
    commits: tuple[Line, ...]
    noun: str = "commit"  # or release, or image: what they are

    def short(self, ident: str) -> str:
        """An id as people read it."""
        return ident[:12] if self.noun == "commit" else ident

    def to_json(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {"schema": SCHEMA, **asdict(self)}


def account_of(launches: Launches, search: Search, found: Conclusion) -> Account:
    """The account of a search that has ended, or was interrupted."""
    asked, belief, suspects = launches.state.asked, search.belief, search.suspects
    low, high = rate_interval(belief)
    return Account(
        repository=asked.repository,
        case=asked.case["id"],
        find=asked.find,
        good=asked.good,
        bad=asked.bad,
        wanted=launches.wanted,
        kind=found.kind,
        found=tuple(launches.commits.sha(commit) for commit in found.commits),
        probability=found.probability,
        confidence=search.options.confidence,
        text=_text(launches, search, found),
        details=launches.checkouts.details(launches.commits.sha(found.commits[0])) if found.kind == "commit" else (),
        suspects=suspects.count,
        launches=search.evidence.launches,
        rate=belief.rate(),
        rate_low=low,
        rate_high=high,
        missed=tuple(_missed(launches, search, found)),
        outside=float(belief.mass[suspects.outside]),
        commits=tuple(_lines(launches, search)),
        noun=launches.commits.noun,
    )


def _text(launches: Launches, search: Search, found: Conclusion) -> str:
    """One or two sentences for people."""
    noun = launches.commits.noun
    first = f"first {'bad' if search.suspects.find == 'bad' else 'fixed'} {noun}"
    sure = f"probability {found.probability:.3f}"
    if found.kind == "commit":
        return f"{_name(launches, found.commits[0])} is the {first}, {sure}."
    if found.kind == "range":
        why = f"no {noun} between them can be judged"
        return f"the {first} is one of {len(found.commits)}, {sure}: {why}."
    if found.kind == "outside":
        where = "the hang is older than the good end" if search.suspects.find == "bad" else "the good end is not fixed"
        return f"no {noun} of the range explains what was seen, {sure}: {where}, or it came more than once."
    left = len(found.commits)
    return f"not finished: the {first} is one of {left}, {sure}; --resume goes on." if launches.wanted else "not finished."


def _missed(launches: Launches, search: Search, found: Conclusion) -> list[str]:
    """What is known of the rate, and what clean launches could have missed."""
    if not launches.wanted:
        return []
    options = search.options
    said = [_rate(search)]
    seen = [f"{launches_to_see(rate, MISS)} at rate {rate}" for rate in RATES]
    said.append(f"To miss a hang with at most {MISS:.0%}, one must be clean in this many launches: {', '.join(seen)}.")
    witnesses = _witnesses(search, found)
    if witnesses:
        number, clean = min(witnesses, key=lambda pair: pair[1])
        text = f"{_name(launches, number)}, next to what was found, was clean in {clean} launch{'es' * (clean != 1)}"
        seen_from = rate_seen(clean, MISS)
        said.append(f"{text}: a hang that shows in {seen_from:.0%} or more of them would have been missed with at most 5%.")
    if options.repeat == 1 and min((clean for _, clean in witnesses), default=0) < launches_to_see(0.3, MISS):
        sure = f"Before any launch the hang was taken to show in every one, with probability {options.prior.certain}"
        said.append(f"{sure}; if it may be flaky, go on with --resume --repeat 10, which repeats nothing.")
    return said


def _rate(search: Search) -> str:
    """How often the hang shows."""
    belief = search.belief
    best = int(belief.mass.argmax())
    hangs, clean = int(belief.hangs[best]), int(belief.clean[best])
    shown = f"The hang showed in {hangs} of {hangs + clean} launches of those that have it"
    if not clean:
        return f"{shown}; it is taken to show in every launch with probability {belief.certain[best]:.3f}."
    low, high = rate_interval(belief)
    return f"{shown}: its rate is {belief.rate():.2f} ({low:.2f} to {high:.2f} with probability 0.95)."


def _witnesses(search: Search, found: Conclusion) -> list[tuple[int, int]]:
    """The commits whose clean launches rule out what lies before (after, for a fix) the finding: the nearest ones."""
    if found.kind != "commit":
        return []
    suspects = search.suspects
    clean = [(commit, tally.clean) for commit, tally in sorted(search.evidence.tallies.items()) if tally.clean]
    if not clean:
        return []
    hangs = suspects.hangs([commit for commit, _ in clean])[:, found.commits[0]]
    good = [pair for pair, hang in zip(clean, hangs, strict=True) if not hang]
    away = suspects.distances([found.commits[0]], [])
    nearest = min((int(away[commit]) for commit, _ in good), default=0)
    return [(commit, times) for commit, times in good if away[commit] == nearest]


def _lines(launches: Launches, search: Search) -> list[Line]:
    suspects, evidence = search.suspects, search.evidence
    files: dict[str, list[Shown]] = {}
    for launched, verdict in launches.state.verdicts():
        files.setdefault(launched.sha, []).append(Shown(words(verdict), launches.state.verdict_path(launched)))
    found: list[Line] = []
    for number in (suspects.older, *range(suspects.count)):
        sha = launches.commits.sha(number)
        chance = 0.0 if number == suspects.older else float(search.belief.mass[number])
        looked = number in evidence.tallies or number in evidence.skipped
        if looked or chance >= SHOWN or number in (suspects.good, suspects.bad):
            end = {suspects.good: "good", suspects.bad: "bad"}.get(number, "")
            tally = evidence.of(number)
            place = 0 if number == suspects.older else number + 1
            skipped = evidence.skipped.get(number, "")
            verdicts = tuple(files.get(sha, ()))
            line = Line(sha, _subject(launches, number), place, end, tally.hangs, tally.clean, skipped, chance, verdicts)
            found.append(line)
    return found


def _subject(launches: Launches, number: int) -> str:
    return "" if number == launches.suspects.older else launches.commits.commits[number].subject


def _name(launches: Launches, number: int) -> str:
    return f"{launches.commits.short(launches.commits.sha(number))} {_subject(launches, number)}".strip()
