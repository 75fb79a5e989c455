"""Where those stand that were looked at from outside: who communicates, who does not, and at which places. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.judge import words
from lockstep.harness.judge.observation import Observation, path

Places = Mapping[tuple[str, str], Sequence[Observation]]  # by communication and line


@dataclass(frozen=True, slots=True)
class Opinion:
    """One rule's: its sentence, and which ranks it names."""

    text: str
    behind: tuple[int, ...] = ()


def named(found: Sequence[Observation]) -> str:
    """`ranks 0-2`; of processes that are no ranks their numbers, with the host where there are several."""
    ranks = [one.rank for one in found if one.rank is not None]
    others = sorted((one.host, one.pid) for one in found if one.rank is None)
    hosts = {host for host, _ in others}
    listed = ", ".join(str(pid) if len(hosts) == 1 else f"{pid} on {host}" for host, pid in others)
    processes = f"process{'' if len(others) == 1 else 'es'} {listed}" if others else ""
    return " and ".join(filter(None, (words.ranks_text(ranks) if ranks else "", processes)))


def stood(seen: Sequence[Observation]) -> list[Opinion]:
    """By the places in which they stand: some communicate and some do not, or they do so at different places.

    `seen`: ranks; where nobody says which is which, all processes. Of these one that only started the others may wait
    for their end: that it is in no communication says nothing of them.
    """
    where: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    elsewhere: dict[str, list[Observation]] = defaultdict(list)
    started: list[Observation] = []
    for one in sorted(seen, key=lambda one: (one.rank is None, one.rank or 0, one.host, one.pid)):
        stands = one.standing
        if stands.operation:
            where[stands.operation, stands.site].append(one)
        elif one.rank is None and any((other.host, other.parent) == (one.host, one.pid) for other in seen):
            started.append(one)
        elif stands.text and not one.stopped:
            elsewhere[stands.text].append(one)
    if not where:
        return _nowhere(seen)
    told = [f"{named(found)} {_in(found, operation, site)}" for (operation, site), found in where.items()]
    above = "".join(f"; {named([one])}, which has started others, {_at(one)}" for one in started)
    if elsewhere:
        behind = _ranks([one for found in elsewhere.values() for one in found])
        known = "in no communication that is known" if len(elsewhere) == 1 else "none of them in a known communication"
        return [Opinion(f"{words.capital(_listed(elsewhere))}, {known}, while {'; '.join(told)}{above}.", behind)]
    if len(where) > 1:
        fewest = min(len(found) for found in where.values())
        least = [found for found in where.values() if len(found) == fewest]
        apart = _ranks(least[0]) if len(least) == 1 else ()
        who = _all(seen)
        return [Opinion(f"{who} are at different places: {'; '.join(told)}{above}.{_behind(where)}", apart or _later(where))]
    more = " Nothing from outside tells them apart." if len(next(iter(where.values()))) > 1 else ""
    return [Opinion(f"{words.capital(told[0])}{above}.{more}")]


def _nowhere(seen: Sequence[Observation]) -> list[Opinion]:
    """None of them communicates, as far as that can be seen."""
    free = [one for one in seen if not one.stopped]
    places: dict[str, list[Observation]] = defaultdict(list)
    for one in free:
        if one.standing.text:
            places[one.standing.text].append(one)
    one_of = "rank" if _all(seen) == "Ranks" else "process"
    if places:
        return [Opinion(f"No {one_of} is in a communication that is known: {_listed(places)}.")]
    if free:
        return [Opinion(f"Of no {one_of} it can be seen where it stands.")]
    # Stopped ranks are told in a sentence of their own.
    return [Opinion(f"{words.capital(named(seen))} {_be(seen)} stopped.")] if seen and one_of == "process" else []


def _all(seen: Sequence[Observation]) -> str:
    return "Ranks" if any(one.rank is not None for one in seen) else "Processes"


def _ranks(found: Sequence[Observation]) -> tuple[int, ...]:
    return tuple(sorted(one.rank for one in found if one.rank is not None))


def _listed(places: Mapping[str, Sequence[Observation]]) -> str:
    return "; ".join(f"{named(found)} {'stands' if len(found) == 1 else 'stand'} {text}" for text, found in places.items())


def _at(one: Observation) -> str:
    return f"stands {one.standing.text}" if one.standing.text else "stands nobody knows where"


def _later(where: Places) -> tuple[int, ...]:
    """Of two equally large groups the one that has come less far in the same function; empty where nobody can tell."""
    if len(where) != 2:
        return ()
    first, second = where.values()
    for mine, others in zip(path(first[0].stack), path(second[0].stack), strict=False):
        if mine != others:
            if mine[:2] != others[:2]:
                return ()
            return _ranks(first if mine[2] < others[2] else second)
    return ()


def _behind(where: Places) -> str:
    later = _later(where)
    if not later:
        return ""
    verb = "is" if len(later) == 1 else "are"
    return f" {words.capital(words.ranks_text(later))} {verb} behind, if both are in the same round of the program."


def _in(found: Sequence[Observation], operation: str, site: str) -> str:
    return f"{'waits' if len(found) == 1 else 'wait'} in {operation} at {site}"


def _be(found: Sequence[Observation]) -> str:
    return "is" if len(found) == 1 else "are"
