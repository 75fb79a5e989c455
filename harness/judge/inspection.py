"""What looks from outside at a job's processes tell of a hang: who is missing, who is behind, where each stands. Pure.

Nothing that follows from them is ever called proved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockstep.harness.judge import words
from lockstep.harness.judge.diagnosis import Diagnosis
from lockstep.harness.judge.flight import diagnose
from lockstep.harness.judge.observation import Observation
from lockstep.harness.judge.observation_words import line
from lockstep.harness.judge.opinions import ras_opinion
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.judge.whereabouts import Opinion, named, stood


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a whole job. `world`: how many ranks it has; 0: nobody says. `ended`: processes nobody has asked."""

    seen: Sequence[Observation]
    world: int = 0
    ended: Sequence[tuple[str, int]] = ()  # host and process
    ras: Mapping[str, Any] | None = None
    seconds: float = 0.0  # between the first moment and the last
    hosts: Sequence[str] = ()
    blind: Sequence[str] = ()  # hosts that have seen nothing, with the reason


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the looks tell. `lines`: every rank's; `word`: as of a diagnosis."""

    word: str  # hang, waiting, nothing found
    text: str
    proved: bool = False
    ranks: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    behind: tuple[int, ...] = ()  # that others wait for, by one of the rules
    lines: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def hangs(self) -> bool:
        """Whether anything points to a hang."""
        return self.word != "nothing found"


def inspect(look: Look) -> Inspection:
    """From all that was seen."""
    alive = [one for one in look.seen if not one.gone]
    left = [one for one in look.seen if one.gone]
    ranks = {one.rank: one for one in alive if one.rank is not None}
    # Who has ended meanwhile was there, and went on: it is not missing.
    absent = tuple(sorted(set(range(look.world)) - {one.rank for one in look.seen if one.rank is not None}))
    diagnosis = _diagnosis(ranks)
    if left and not ranks and (not alive or any(one.rank is not None for one in left)):
        return _over(look, left, absent)
    first, recorded = [*_missing(absent, look), *_held(ranks)], _recorded(diagnosis)
    places = stood(list(ranks.values()) or alive)
    opinions = [*_left(left), *first, *places, *recorded]
    word = _word(look, absent, diagnosis)
    if word == "nothing found":
        opinions = [*_left(left), Opinion(f"No process stood still for {look.seconds:.0f} s; nothing points to a hang.")]
    # What was counted goes before where they stand.
    behind = () if word == "nothing found" else next((one.behind for one in (*first, *recorded, *places) if one.behind), ())
    return Inspection(
        word,
        " ".join(one.text for one in opinions or _unasked(look)),
        False,
        tuple(sorted(ranks)),
        absent,
        behind,
        tuple(line(one, look.seconds) for one in _in_order(look.seen)),
        tuple(_also(look, ranks, behind, diagnosis)),
        tuple(_limits(look, ranks, absent, diagnosis)),
    )


def _over(look: Look, left: Sequence[Observation], absent: Sequence[int]) -> Inspection:
    """Every rank that was looked at has ended: nobody is left who could wait."""
    said = [*_left(left), *_missing(absent, look)] if absent else [Opinion("It has ended while it was looked at.")]
    lines = tuple(line(one, look.seconds) for one in _in_order(look.seen))
    limits = ("how it has ended: only who has started it is told", *(f"what is on {host}" for host in look.blind))
    text = " ".join(one.text for one in said)
    return Inspection("nothing found", text, absent=tuple(absent), lines=lines, limits=limits)


def _left(left: Sequence[Observation]) -> list[Opinion]:
    """Who has ended meanwhile. How, nobody else is told."""
    return [Opinion(f"{words.capital(named(left))} {_has(left)} ended while the job was looked at.")] if left else []


def _has(found: Sequence[Observation]) -> str:
    return "has" if len(found) == 1 else "have"


def _unasked(look: Look) -> list[Opinion]:
    """Of a job of which only ended processes are there."""
    ended = ", ".join(str(pid) for _, pid in look.ended)
    many = len(look.ended) != 1
    who = f"Process{'es' if many else ''} {ended} {'have' if many else 'has'} ended, and nobody has asked how"
    return [Opinion(f"{who}; nothing else of the job was found.")]


def _word(look: Look, absent: Sequence[int], diagnosis: Diagnosis | None) -> str:
    """A hang: nobody goes on, and some wait for others. Nothing: somebody does, and nobody stands still for certain."""
    alive = [one for one in look.seen if not one.gone]
    still = [one for one in alive if not (one.moved or one.may_have_moved)]
    ends = len(alive) < len(look.seen)  # some have ended meanwhile, and the others may be about to
    goes_on = ends or any(one.moved for one in alive)
    communicates = any(one.standing.operation or one.stopped for one in alive)
    all_stand = len(still) == len(alive) and communicates  # else it may be a server without work
    counted = diagnosis is not None and diagnosis.word == "hang"
    if not ends and (all_stand or (absent and not goes_on) or counted):
        return "hang"
    return "waiting" if still or not goes_on else "nothing found"


def _missing(absent: Sequence[int], look: Look) -> list[Opinion]:
    """Ranks of which there is no process."""
    if not absent:
        return []
    who = words.ranks_text(absent)
    verb = "is" if len(absent) == 1 else "are"
    where = f" on {', '.join(look.hosts)}" if look.hosts else ""
    ended = ", ".join(str(pid) for _, pid in look.ended)
    why = f" (process {ended} has ended, and its parent has not asked how)" if ended else ""
    them = "it" if len(absent) == 1 else "them"
    text = f"{who[0].upper()}{who[1:]} of {look.world} {verb} missing: no process of {them} was found"
    return [Opinion(f"{text}{where}{why}.", tuple(absent))]


def _held(ranks: Mapping[int, Observation]) -> list[Opinion]:
    """Ranks that a signal or a debugger has stopped: whatever they stand in, they are what the others wait for."""
    held = tuple(rank for rank, one in sorted(ranks.items()) if one.stopped)
    if not held:
        return []
    who = words.ranks_text(held)
    verb = "is" if len(held) == 1 else "are"
    pids = " ".join(str(ranks[rank].pid) for rank in held)
    text = f"{who[0].upper()}{who[1:]} {verb} stopped, by a debugger or by a signal (`kill -CONT {pids}` takes that back)."
    return [Opinion(text, held if len(held) < len(ranks) else ())]


def _diagnosis(ranks: Mapping[int, Observation]) -> Diagnosis | None:
    """What the Flight Recorders say that ranks gave; None without any, or where they are not as PyTorch writes them."""
    dumps = {rank: one.flight for rank, one in ranks.items() if one.flight}
    try:
        return diagnose(dumps) if dumps else None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None


def _recorded(diagnosis: Diagnosis | None) -> list[Opinion]:
    if diagnosis is None or not diagnosis.hangs:
        return []
    return [Opinion(f"By their Flight Recorders: {diagnosis.text}", diagnosis.blame)]


def _also(look: Look, ranks: Mapping[int, Observation], behind: Sequence[int], diagnosis: Diagnosis | None) -> list[str]:
    found: list[str] = []
    if look.ras:
        pids = [one.pid for one in ranks.values()]
        by_pid = {one.pid: rank for rank, one in ranks.items() if pids.count(one.pid) == 1}
        try:
            opinion = ras_opinion(look.ras, by_pid, Blame(tuple(behind), "running", "") if behind else None)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
            opinion = None
        found += [opinion.text] if opinion else []
    for one in _in_order(look.seen):
        if one.connecting:
            who = f"rank {one.rank}" if one.rank is not None else f"process {one.pid}"
            found.append(f"{who} tries to connect to {', '.join(one.connecting)}, where nobody answers")
    if diagnosis is not None:
        found += [mismatch.text for mismatch in diagnosis.mismatches[1:]]
    if any(one.watched for one in look.seen):
        found.append("this job runs under Lockstep: `lockstep peek` knows what each rank waits for")
    return found


def _limits(look: Look, ranks: Mapping[int, Observation], absent: Sequence[int], diagnosis: Diagnosis | None) -> list[str]:
    found = ["whether who waits will wait for ever: nobody has seen what each of them did before"]
    blind: dict[str, list[str]] = defaultdict(list)
    for one in _in_order(look.seen):
        if not one.stack and not one.gone:
            blind[one.error].append(f"rank {one.rank}" if one.rank is not None else f"process {one.pid}")
    found += [f"the stack of {', '.join(who)}: {why}" for why, who in blind.items()]
    found += [f"what is on {host}" for host in look.blind]
    if absent and len(look.hosts) == 1 and not look.blind:
        found.append(f"whether {words.ranks_text(absent)} run on other hosts: `--hosts` asks those too")
    if not look.world and ranks:
        found.append("how many ranks there are, so that one may be missing")
    if not ranks:
        found.append("which of these processes is which rank: their environment does not say")
    if diagnosis is None:
        found.append("how many collectives each has entered: no Flight Recorder answers")
    return found


def _in_order(seen: Sequence[Observation]) -> list[Observation]:
    """Ranks first, by their numbers."""
    return sorted(seen, key=lambda one: (one.rank is None, one.rank or 0, one.host, one.pid))
