"""Two runs compared, case by case: what hangs now, no longer, or otherwise, what got slower or larger. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lockstep.harness.campaign.past import Found, Past
from lockstep.harness.report.line import NOT_RUN
from lockstep.harness.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A figure is worse when it is more than `ratio` times what it was, and by more than the floor larger."""

    ratio: float = 1.5
    floor_s: float = 5.0
    memory_ratio: float = 1.1
    memory_floor_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was. `kind` is a word of `KINDS`."""

    kind: str
    case: str
    text: str
    worse: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {"kind": self.kind, "case": self.case, "worse": self.worse, "text": self.text}


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, those for the worse first, and what could not be compared."""

    old: str
    new: str
    common: int
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def worse(self) -> int:
        """How many changes are for the worse."""
        return sum(change.worse for change in self.changes)


KINDS = (
    "new-hang", "gone-hang", "changed-outcome", "changed-signature", "changed-blame", "changed-expectation",
    "flaky", "not-judged", "judged-again",
    "slower", "later-verdict", "more-memory", "only-old", "only-new",
)  # fmt: skip
HANG = Outcome.HANG.value
NOTHING = "nothing"


def compare(old: Past, new: Past, tolerance: Tolerance) -> Comparison:
    """The comparison of two runs; neither need have all the cases of the other."""
    incomparable = _incomparable(old, new)
    notes = [*incomparable]
    changes: list[Change] = []
    part = _part(old, new)
    left_out = added = 0
    for ident in sorted({*old.cases, *new.cases}):
        before, after = old.cases.get(ident), new.cases.get(ident)
        if before is None and old.part and new.part:
            added += 1  # the other deal gave it to another shard then
        elif before is None:
            changes.append(Change("only-new", ident, f"only in {new.name}", worse=False))
        elif after is None and part:
            left_out += 1
        elif after is None:
            changes.append(Change("only-old", ident, f"gone: {new.name} does not have it", worse=True))
        elif before.device and after.device and before.device != after.device:
            notes.append(f"{ident}: on {before.device} then, on {after.device} now; its times are not compared")
            changes += _verdicts(ident, before, after)
        else:
            changes += _verdicts(ident, before, after)
            changes += [] if incomparable else _figures(ident, before, after, tolerance)
    if left_out:
        notes.append(f"{left_out} cases of {old.name} were not dealt to {new.name}, which is a part by its own plan: {part}")
    if added:
        notes.append(f"{added} cases of {new.name} were not dealt to {old.name}, which is a part as well: {old.part}")
    changes.sort(key=lambda change: (not change.worse, KINDS.index(change.kind), change.case))
    return Comparison(old.name, new.name, len({*old.cases} & {*new.cases}), tuple(changes), tuple(notes))


def _part(old: Past, new: Past) -> str:
    """Why the new run need not have all cases of the old one: an option that leaves some out, or other scenarios."""
    if new.part:
        return new.part
    named = new.scenarios
    return "other scenarios were named" if named and named != old.scenarios and old.scenarios is not None else ""


def _incomparable(old: Past, new: Past) -> list[str]:
    """Why times and memory of two runs say nothing about each other."""
    then, now = _machine(old), _machine(new)
    return [
        f"times and memory are not compared: {key} was {then[key]} and is {now[key]}"
        for key in then
        if key in now and then[key] != now[key]
    ]


def _machine(past: Past) -> dict[str, Any]:
    words = list(past.argv)
    jobs = [words[place + 1] for place, word in enumerate(words[:-1]) if word == "--jobs"]
    jobs += [word.partition("=")[2] for word in words if word.startswith("--jobs=")]
    hosts = past.environment.get("hosts")
    if hosts:  # names change from night to night, what is behind them should not
        kinds = Counter(f"{host.get('slots')} slots, {host.get('cores')} cores, {_gpus(host)}" for host in hosts)
        listed = "; ".join(f"{number} x {kind}" for kind, number in sorted(kinds.items()))
        return {"the list of hosts": listed, "--jobs": jobs[-1] if jobs else "1"}
    one = {"the number of cores": past.environment.get("cores"), "GPUs": _gpus(past.environment)}
    return {**one, "the list of hosts": "this one alone", "--jobs": jobs[-1] if jobs else "1"}


def _gpus(host: Mapping[str, Any]) -> str:
    gpus = Counter(gpu["name"] for gpu in host.get("gpus") or ())
    return ", ".join(f"{number} x {name}" for name, number in sorted(gpus.items())) or "no GPU"


def _verdicts(ident: str, old: Found, new: Found) -> list[Change]:
    if not new.outcomes or not old.outcomes:
        return _unjudged(ident, old, new)
    known = all(new.waived[place] or ok for place, ok in enumerate(new.expected))
    lost = all(old.expected) and not all(new.expected)
    found: list[Change] = []
    if new.missing and not old.missing:
        text = f"{len(new.missing)} repetitions are {_listed(new.missing)}"
        found.append(Change("not-judged", ident, text, worse=not _for_want_of_budget(new)))
    if len(set(new.expected)) > 1 and len(set(old.expected)) == 1:
        wrong = new.expected.count(False)
        text = f"flaky now: {wrong} of {len(new.expected)} not as expected"
        found.append(Change("flaky", ident, text, worse=not known))
    then, now = set(_words(old)), set(_words(new))
    became = f"{_listed(_words(old))} -> {_listed(_words(new))}"
    if HANG in new.outcomes and HANG not in old.outcomes:
        found.append(Change("new-hang", ident, became, worse=not (any(new.waived) and known)))
    elif HANG in old.outcomes and HANG not in new.outcomes:
        found.append(Change("gone-hang", ident, became, worse=lost and not known))
    elif then != now:
        unproved = True in old.proved and False in new.proved and False not in old.proved
        found.append(Change("changed-outcome", ident, became, worse=(lost and not known) or unproved))
    else:
        found += _otherwise(ident, old, new) or _expectations(ident, old, new, worse=lost and not known)
    return found


def _expectations(ident: str, old: Found, new: Found, worse: bool) -> list[Change]:
    """The same outcome, which was as expected in one run and is not in the other: a change of the scenario, or of what it
    names beside the outcome. Where some repetitions are and some are not, that is told as flaky."""
    (then, *mixed), (now, *also) = sorted(set(old.expected)), sorted(set(new.expected))
    if mixed or also or then is now:
        return []
    differs = _listed(filter(None, (old if now else new).differences))
    word = "as expected now, and not then" if now else "not as expected now, and it was then"
    said = f"{_listed(_words(new))} in both, {word}"
    return [Change("changed-expectation", ident, said if differs == NOTHING else f"{said}: {differs}", worse)]


def _otherwise(ident: str, old: Found, new: Found) -> list[Change]:
    """The same outcome in another way."""
    signatures = {*filter(None, new.signatures)} - {*old.signatures}
    if signatures and any(old.signatures):
        text = f"{_listed(filter(None, old.signatures))} -> {_listed(filter(None, new.signatures))}"
        return [Change("changed-signature", ident, f"another {new.outcomes[0]}: {text}", worse=True)]
    then, now = {_blame(*blame) for blame in old.blames}, {_blame(*blame) for blame in new.blames}
    if now - then:
        return [Change("changed-blame", ident, f"{_blamed(old)} -> {_blamed(new)}", worse=True)]
    return []


def _unjudged(ident: str, old: Found, new: Found) -> list[Change]:
    if not new.outcomes and old.outcomes:
        text = f"{_listed(_words(old))} -> {_listed(new.missing)}"
        return [Change("not-judged", ident, text, worse=not _for_want_of_budget(new))]
    if new.outcomes and not old.outcomes:
        hangs = HANG in new.outcomes and not all(new.expected)
        return [Change("judged-again", ident, f"{_listed(old.missing)} -> {_listed(_words(new))}", worse=hangs)]
    return []


def _for_want_of_budget(found: Found) -> bool:
    """Whether all that is missing was left out by the run's own plan, which says so by an exit code of its own."""
    return set(found.missing) == {NOT_RUN}


def _figures(ident: str, old: Found, new: Found, tolerance: Tolerance) -> list[Change]:
    """Times and memory. Of a case that ended otherwise they say nothing."""
    if set(_words(old)) != set(_words(new)):
        return []
    found: list[Change] = []
    for kind, then, now in (("slower", old.seconds, new.seconds), ("later-verdict", old.latencies, new.latencies)):
        if _exceeds(then, now, tolerance.ratio, tolerance.floor_s):
            text = f"{median(then):.2f} s -> {median(now):.2f} s{_times(median(then), median(now))}"
            found.append(Change(kind, ident, text, worse=True))
    for of, old_bytes, new_bytes in (("device", old.memory, new.memory), ("host", old.host_memory, new.host_memory)):
        if _exceeds(old_bytes, new_bytes, tolerance.memory_ratio, tolerance.memory_floor_bytes):
            before, after = median(old_bytes), median(new_bytes)
            text = f"{of}: {before / (1 << 20):.0f} MiB -> {after / (1 << 20):.0f} MiB{_times(before, after)}"
            found.append(Change("more-memory", ident, text, worse=True))
    return found


def _exceeds(then: Sequence[float], now: Sequence[float], ratio: float, floor: float) -> bool:
    if not then or not now:
        return False
    before, after = median(then), median(now)
    return after > before * ratio and after - before > floor


def _times(then: float, now: float) -> str:
    return f" ({now / then:.2f} times)" if then > 0 else ""


def _words(found: Found) -> list[str]:
    proofs: Mapping[bool | None, str] = {True: "proved", False: "not proved", None: ""}
    return [
        f"{outcome} ({inside})" if (inside := ", ".join(filter(None, (cause, proofs[proved])))) else outcome
        for outcome, cause, proved in zip(found.outcomes, found.causes, found.proved, strict=True)
    ]


def _blame(ranks: str, words: str) -> tuple[str, str]:
    """What of a blame is the same whenever the same thing happens: not its figures, not the number of a step."""
    return ranks, re.sub(r"\bstep=\d+", "step", words.partition(" (")[0])


def _blamed(found: Found) -> str:
    return _listed(f"{ranks or 'nobody'}{': ' * bool(words)}{words}" for ranks, words in found.blames)


def _listed(words: Iterable[str]) -> str:
    """Each different one once, with how often if there are several."""
    count = Counter(words)
    total = sum(count.values())
    return ", ".join(f"{number} x {text}" if total > 1 else text for text, number in count.most_common()) or NOTHING
