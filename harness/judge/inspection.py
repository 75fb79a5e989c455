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
from lockstep.harness.judge.observation import Observation, path
from lockstep.harness.judge.observation_words import line
from lockstep.harness.judge.opinions import ras_opinion
from lockstep.harness.judge.verdict import Blame


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


@dataclass(frozen=True, slots=True)
class _Opinion:
    """One rule's: its sentence, and whom it names."""

    text: str
    behind: tuple[int, ...] = ()


def inspect(look: Look) -> Inspection:
    """From all that was seen."""
    ranks = {one.rank: one for one in look.seen if one.rank is not None and not one.gone}
    absent = tuple(sorted(set(range(look.world)) - set(ranks)))
    diagnosis = _diagnosis(ranks)
    first, recorded, stood = [*_missing(absent, look), *_held(ranks)], _recorded(diagnosis), _stood(ranks)
    opinions = [*first, *stood, *recorded]
    word = _word(look, absent, diagnosis)
    if word == "nothing found":
        opinions = [_Opinion(f"No process stood still for {look.seconds:.0f} s; nothing points to a hang.")]
    # What was counted goes before where they stand.
    behind = () if word == "nothing found" else next((one.behind for one in (*first, *recorded, *stood) if one.behind), ())
    return Inspection(
        word,
        " ".join(one.text for one in opinions),
        False,
        tuple(sorted(ranks)),
        absent,
        behind,
        tuple(line(one, look.seconds) for one in _in_order(look.seen)),
        tuple(_also(look, ranks, behind, diagnosis)),
        tuple(_limits(look, ranks, absent, diagnosis)),
    )


def _word(look: Look, absent: Sequence[int], diagnosis: Diagnosis | None) -> str:
    """A hang: nobody goes on, and some wait for others. Nothing: somebody does, and nobody stands still for certain."""
    alive = [one for one in look.seen if not one.gone]
    still = [one for one in alive if not (one.moved or one.may_have_moved)]
    goes_on = any(one.moved for one in alive)
    communicates = any(one.standing.operation or one.stopped for one in alive)
    all_stand = len(still) == len(alive) and communicates  # else it may be a server without work
    if all_stand or (absent and not goes_on) or (diagnosis is not None and diagnosis.word == "hang"):
        return "hang"
    return "waiting" if still or not goes_on else "nothing found"


def _missing(absent: Sequence[int], look: Look) -> list[_Opinion]:
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
    return [_Opinion(f"{text}{where}{why}.", tuple(absent))]


def _held(ranks: Mapping[int, Observation]) -> list[_Opinion]:
    """Ranks that a signal or a debugger has stopped: whatever they stand in, they are what the others wait for."""
    held = tuple(rank for rank, one in sorted(ranks.items()) if one.stopped)
    if not held or len(held) == len(ranks):
        return []
    who = words.ranks_text(held)
    verb = "is" if len(held) == 1 else "are"
    pids = " ".join(str(ranks[rank].pid) for rank in held)
    text = f"{who[0].upper()}{who[1:]} {verb} stopped, by a debugger or by a signal (`kill -CONT {pids}` takes that back)."
    return [_Opinion(text, held)]


def _diagnosis(ranks: Mapping[int, Observation]) -> Diagnosis | None:
    """What the Flight Recorders say that ranks gave; None without any, or where they are not as PyTorch writes them."""
    dumps = {rank: one.flight for rank, one in ranks.items() if one.flight}
    try:
        return diagnose(dumps) if dumps else None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None


def _recorded(diagnosis: Diagnosis | None) -> list[_Opinion]:
    if diagnosis is None or not diagnosis.hangs:
        return []
    return [_Opinion(f"By their Flight Recorders: {diagnosis.text}", diagnosis.blame)]


def _stood(ranks: Mapping[int, Observation]) -> list[_Opinion]:
    """By the places in which ranks stand: some communicate and some do not, or they do so at different places."""
    where: dict[tuple[str, str], list[int]] = defaultdict(list)
    elsewhere: dict[str, list[int]] = defaultdict(list)
    for rank, one in sorted(ranks.items()):
        stands = one.standing
        if stands.operation:
            where[stands.operation, stands.site].append(rank)
        elif stands.text and not one.stopped:
            elsewhere[stands.text].append(rank)
    told = [f"{words.ranks_text(found)} {_in(found, operation, site)}" for (operation, site), found in where.items()]
    if where and elsewhere:
        behind = tuple(sorted(rank for found in elsewhere.values() for rank in found))
        places = "; ".join(f"{words.ranks_text(found)} {_stands(found)} {text}" for text, found in elsewhere.items())
        who = f"{places[0].upper()}{places[1:]}"
        known = "in no communication that is known" if len(elsewhere) == 1 else "none of them in a known communication"
        return [_Opinion(f"{who}, {known}, while {'; '.join(told)}.", behind)]
    if len(where) > 1:
        fewest = min(len(found) for found in where.values())
        least = [found for found in where.values() if len(found) == fewest]
        apart = tuple(least[0]) if len(least) == 1 else ()
        return [
            _Opinion(
                f"Ranks are at different places: {'; '.join(told)}.{_behind(ranks, where)}", apart or _later(ranks, where)
            )
        ]
    if where:
        (((operation, site), found),) = where.items()
        more = " Nothing from outside tells them apart." if len(found) > 1 else ""
        who = words.ranks_text(found)
        return [_Opinion(f"{who[0].upper()}{who[1:]} {_in(found, operation, site)}.{more}")]
    listed = "; ".join(f"{words.ranks_text(found)} {_stands(found)} {text}" for text, found in elsewhere.items())
    if listed:
        return [_Opinion(f"No rank is in a communication that is known: {listed}.")]
    return [_Opinion("Of no rank it can be seen where it stands.")] if any(not one.stopped for one in ranks.values()) else []


def _later(ranks: Mapping[int, Observation], where: Mapping[tuple[str, str], Sequence[int]]) -> tuple[int, ...]:
    """Of two equally large groups the one that has come less far in the same function; empty where nobody can tell."""
    if len(where) != 2:
        return ()
    first, second = (list(found) for found in where.values())
    one, other = (_path(ranks[found[0]]) for found in (first, second))
    for mine, others in zip(one, other, strict=False):
        if mine != others:
            if mine[:2] != others[:2]:
                return ()
            return tuple(first if mine[2] < others[2] else second)
    return ()


def _behind(ranks: Mapping[int, Observation], where: Mapping[tuple[str, str], Sequence[int]]) -> str:
    later = _later(ranks, where)
    if not later:
        return ""
    who = words.ranks_text(later)
    verb = "is" if len(later) == 1 else "are"
    return f" {who[0].upper()}{who[1:]} {verb} behind, if both are in the same round of the program."


def _path(one: Observation) -> tuple[tuple[str, str, int], ...]:
    return path(one.stack)


def _in(found: Sequence[int], operation: str, site: str) -> str:
    return f"{'waits' if len(found) == 1 else 'wait'} in {operation} at {site}"


def _stands(found: Sequence[int]) -> str:
    return "stands" if len(found) == 1 else "stand"


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
        if not one.stack:
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
