"""One rank's dump of PyTorch's Flight Recorder, checked field by field: it comes from a process that went wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lockstep.harness.judge.stack_text import Frame

MOST_RANKS = 1 << 20  # of a world; more would be a mistake or an attack
MOST_MEMBERS = 1 << 22  # of all groups of a dump together
MOST_NUMBER = 1 << 62  # a collective's number, a time in ns
MOST_ITEMS = 5_000_000  # sizes and frames of a dump together: lists that hold each other can be long beyond all files
MOST_CHARACTERS = 1024
_NUMBER = re.compile(r"-1|[0-9]{1,18}")
DONE = ("completed",)
DEFAULT = "default_pg"  # how PyTorch describes the group of the whole world
UNDESCRIBED = ("", "undefined")
# Between the program and its process group: PyTorch, and who writes operations down. A program may lie in a folder torch.
_BETWEEN = re.compile(
    r"-packages/torch/|/torch/(?:_|(?:autograd|cuda|distributed|fx|multiprocessing|nn|optim|utils)/)|/harness/attach/"
)


@dataclass(frozen=True, slots=True)
class Call:
    """An operation as one rank handed it to its process group."""

    group: str
    seq: int
    name: str
    size: str
    done: bool  # it is known to have ended
    time_ns: int
    site: str


@dataclass(frozen=True, slots=True)
class Status:
    """How far a rank has come in a group, as its `pg_status` says; -1 where it says nothing."""

    enqueued: int
    completed: int


@dataclass(frozen=True, slots=True)
class FlightDump:
    """What one dump holds. Groups go by their name, which is the same on every rank."""

    rank: int
    calls: Mapping[str, tuple[Call, ...]]  # collectives of each group, oldest first
    peer_calls: tuple[Call, ...]  # point-to-point operations
    members: Mapping[str, tuple[int, ...]]  # of each configured group
    world: tuple[int, ...]  # gloo names its whole world, without a name
    descriptions: Mapping[str, str]
    status: Mapping[str, Status]
    unplaced: Mapping[str, Status]  # of groups whose entries the ring no longer holds, by this process's own number
    forgot: bool  # the ring no longer holds its oldest entries

    @property
    def says(self) -> bool:
        """Whether it tells which collectives have ended."""
        return bool(self.status) or any(call.done for calls in self.calls.values() for call in calls)

    def entered(self, group: str) -> int | None:
        """The number of the last collective that it is known to have entered in a group; None: its ring has forgotten."""
        listed = [call.seq for call in self.calls.get(group, ())]
        if group in self.status:
            listed.append(self.status[group].enqueued)
        if listed:
            return max(listed)
        # A rank whose status places each of its groups elsewhere has done nothing here, whatever its ring has forgotten.
        known = not self.forgot or (bool(self.status) and not self.unplaced)
        return 0 if known else None


def parse(rank: int, raw: Mapping[str, Any]) -> FlightDump:
    """From plain data. Raises ValueError with the rank and the place of the first thing that is not as PyTorch writes it."""
    try:
        return _parse(rank, raw)
    except ValueError as error:
        raise ValueError(f"rank {rank}: no dump of a Flight Recorder: {error}") from error


def _parse(rank: int, raw: Mapping[str, Any]) -> FlightDump:
    entries = raw.get("entries")
    if not isinstance(entries, (list, tuple)):
        raise ValueError("entries: not a list")
    listed = [_mapping(entry, f"entries[{place}]") for place, entry in enumerate(entries)]
    numbers = _process_numbers(listed)
    placed, unplaced = _statuses(raw.get("pg_status"), numbers)
    calls: dict[str, list[Call]] = {}
    peer_calls: list[Call] = []
    descriptions: dict[str, str] = {}
    budget = _Budget(MOST_ITEMS)
    for place, entry in enumerate(listed):
        call, described = _call(entry, placed, budget, f"entries[{place}]")
        (peer_calls if entry.get("is_p2p") else calls.setdefault(call.group, [])).append(call)
        descriptions.setdefault(call.group, described)
    members, world = _config(raw.get("pg_config"), descriptions)
    return FlightDump(
        rank,
        {group: tuple(found) for group, found in calls.items()},
        tuple(peer_calls),
        members,
        world,
        descriptions,
        placed,
        unplaced,
        _forgot(listed, calls),
    )


class _Budget:
    """How much of a dump is looked at: a short file can unfold without end."""

    def __init__(self, items: int) -> None:
        self._left = items

    def items(self, listed: Any, place: str) -> Sequence[Any]:
        """A list, paid for. Raises ValueError where it is none, or one too many."""
        if not isinstance(listed, (list, tuple)):
            raise ValueError(f"{place}: not a list")
        self._left -= len(listed)
        if self._left < 0:
            raise ValueError(f"{place}: more than {MOST_ITEMS} sizes and frames in one dump")
        return listed


def _call(entry: Mapping[str, Any], statuses: Mapping[str, Status], budget: _Budget, place: str) -> tuple[Call, str]:
    """A call, and how its group is described."""
    group, described = group_of(entry, place)
    seq = number_of(entry.get("collective_seq_id", entry.get("seq_id", 0)), f"{place}.collective_seq_id")
    state = text_of(entry.get("state"), f"{place}.state")
    # gloo leaves the state at `scheduled` for good; what has ended there is retired, or below what the group's status says.
    ended = group in statuses and not entry.get("is_p2p") and seq <= statuses[group].completed
    call = Call(
        group,
        seq,
        text_of(entry.get("profiling_name"), f"{place}.profiling_name"),
        _sizes(entry.get("input_sizes"), budget, f"{place}.input_sizes"),
        bool(entry.get("retired")) or state in DONE or ended,
        number_of(entry.get("time_created_ns", 0), f"{place}.time_created_ns"),
        _site(entry.get("frames"), budget, f"{place}.frames"),
    )
    return call, described


def group_of(entry: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Name and description of a call's group."""
    group = entry.get("process_group")
    if not isinstance(group, (list, tuple)) or not group:
        raise ValueError(f"{place}.process_group: not a pair of name and description")
    name = text_of(group[0], f"{place}.process_group")
    return name, text_of(group[1], f"{place}.process_group") if len(group) > 1 else ""


def _site(frames: Any, budget: _Budget, place: str) -> str:
    """The innermost line of the program; of an engine that is installed as a library, the innermost that called PyTorch."""
    caller = ""
    for found in (_mapping(frame, place) for frame in budget.items(frames or (), place)):
        file, line = text_of(found.get("filename", ""), place), number_of(found.get("line", 0), place)
        frame = Frame(text_of(found.get("name", ""), place), file, line, "")
        if _BETWEEN.search(file):
            continue
        if frame.is_program:
            return frame.site()
        caller = caller or frame.site()
    return caller


def _sizes(sizes: Any, budget: _Budget, place: str) -> str:
    """Sizes of tensors, as text: lists of numbers, and nothing deeper."""
    if sizes is None:
        return ""
    tensors = [budget.items(one, place) for one in budget.items(sizes, place)]
    return str([[number_of(size, place) for size in tensor] for tensor in tensors])


def _process_numbers(entries: list[Mapping[str, Any]]) -> dict[str, str]:
    """From the number that a process gives to a group to the group's name. A number that stands for two is left out."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for place, entry in enumerate(entries):
        if "pg_id" in entry and not entry.get("is_p2p"):
            number, name = str(number_of(entry["pg_id"], f"entries[{place}].pg_id")), group_of(entry, f"entries[{place}]")[0]
            twice |= {number} if found.setdefault(number, name) != name else set()
    return {number: name for number, name in found.items() if number not in twice}


def _statuses(raw: Any, numbers: Mapping[str, str]) -> tuple[dict[str, Status], dict[str, Status]]:
    """How far the rank has come, by group; and of groups that only the process's own number is known of."""
    placed: dict[str, Status] = {}
    unplaced: dict[str, Status] = {}
    for number, about in _mapping({} if raw is None else raw, "pg_status").items():
        place = f"pg_status[{text_of(number, 'pg_status')}]"
        found = _mapping(about, place)
        enqueued, completed = (
            number_of(_plain(found.get(key, -1)), f"{place}.{key}", least=-1)
            for key in ("last_enqueued_collective", "last_completed_collective")
        )
        if number in numbers:
            placed[numbers[number]] = Status(enqueued, completed)
        else:
            unplaced[str(number)] = Status(enqueued, completed)
    return placed, unplaced


def _plain(found: Any) -> Any:
    """A number that is written as a text, as PyTorch does in the status of JSON dumps only."""
    return int(found) if isinstance(found, str) and _NUMBER.fullmatch(found) else found


def _config(raw: Any, descriptions: dict[str, str]) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """The members of each group, and of gloo's one without a name. What the groups are called is added to `descriptions`."""
    members: dict[str, tuple[int, ...]] = {}
    world: tuple[int, ...] = ()
    total = 0
    for key, about in _mapping({} if raw is None else raw, "pg_config").items():
        place = f"pg_config[{text_of(key, 'pg_config')}]"
        found = _mapping(about, place)
        name = text_of(found.get("name", key), place)
        ranks = _members(found.get("ranks", ()), place)
        if not name:
            world = ranks
            continue
        members[name] = ranks
        total += len(ranks)
        if total > MOST_MEMBERS:
            raise ValueError(f"pg_config: groups of more than {MOST_MEMBERS} members together")
        descriptions.setdefault(name, text_of(found.get("desc", ""), place))
    return members, world


def _members(ranks: Any, place: str) -> tuple[int, ...]:
    if isinstance(ranks, str):
        found = _listed(ranks)
        if found is None:
            raise ValueError(f"{place}.ranks: not a list of at most {MOST_RANKS} ranks")
        return found
    if not isinstance(ranks, (list, tuple)) or len(ranks) > MOST_RANKS:
        raise ValueError(f"{place}.ranks: not a list of ranks")
    return tuple(number_of(rank, f"{place}.ranks", most=MOST_RANKS) for rank in ranks)


@lru_cache(maxsize=64)  # every rank writes down the same long lists
def _listed(ranks: str) -> tuple[int, ...] | None:
    """From `[0, 1]`, as PyTorch writes it; None for anything else. Nothing is evaluated."""
    if re.fullmatch(r"\[[0-9, ]*\]", ranks) is None:
        return None
    parts = [part.strip() for part in ranks[1:-1].split(",")] if ranks[1:-1].strip() else []
    if len(parts) > MOST_RANKS or not all(part.isdecimal() and len(part) < 8 for part in parts):
        return None
    found = tuple(map(int, parts))
    return found if max(found, default=0) < MOST_RANKS else None


def _forgot(entries: list[Mapping[str, Any]], calls: Mapping[str, list[Call]]) -> bool:
    """Whether the ring has been overwritten: its first entry is not its first, or without numbers a group begins late."""
    records = [entry["record_id"] for entry in entries if isinstance(entry.get("record_id"), int)]
    if records:
        return bool(min(records) > 0)
    return any(min(call.seq for call in found) > 1 for found in calls.values())


def _mapping(found: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ValueError(f"{place}: not a mapping of names")
    return found


def number_of(found: Any, place: str, least: int = 0, most: int = MOST_NUMBER) -> int:
    """A whole number in its limits."""
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise ValueError(f"{place}: not a whole number from {least} to {most}")
    return found


def text_of(found: Any, place: str) -> str:
    """Text for people: what a terminal would obey is shown, as `\\x1b`, and not without end."""
    if isinstance(found, bool) or not isinstance(found, (str, int)) or (isinstance(found, int) and abs(found) > MOST_NUMBER):
        raise ValueError(f"{place}: not a text")
    text = str(found)[:MOST_CHARACTERS]
    return (
        text if text.isprintable() else "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    )
