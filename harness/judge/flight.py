"""What dumps of PyTorch's Flight Recorder tell of a hang, all process groups of all ranks in one wait-for graph. Pure.

Dumps are taken one after the other, by processes that may have gone on meanwhile, and of torch.distributed alone: nothing
that follows from them is ever called proved.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lockstep.harness.judge import words
from lockstep.harness.judge.graph import stuck
from lockstep.harness.judge.verdict import WaitLine
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait

SAME_SIZE = ("all_reduce", "broadcast", "reduce")  # operations on as many elements on every member
DONE = ("completed",)


@dataclass(frozen=True, slots=True)
class Call:
    """A collective as one rank handed it to its process group."""

    group: str
    seq: int
    name: str
    size: str
    state: str
    time_ns: int
    site: str

    @property
    def token(self) -> str:
        """What must be the same on every member."""
        return f"{self.name} of {self.size}" if self.name.rpartition(":")[2] in SAME_SIZE else self.name


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first collective of a group that its members did not all enter, or entered as different ones."""

    group: str
    seq: int
    entered: dict[str, list[int]]  # as what, by whom
    missing: tuple[int, ...]  # members that had not come to it
    time_ns: int

    @property
    def text(self) -> str:
        """For people."""
        listed = [f"{words.ranks_text(ranks)} entered {what}" for what, ranks in self.entered.items()]
        gone = [f"{words.ranks_text(self.missing)} had not come to it"] if self.missing else []
        return f"{self.group} #{self.seq}: {'; '.join(listed + gone)}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the dumps tell. `waits`: those that cannot end if all dumps held together; `blame`: who parted first."""

    text: str
    proved: bool = False
    ranks: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()  # members of groups that gave no dump
    waits: tuple[WaitLine, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    blame: tuple[int, ...] = ()
    limits: tuple[str, ...] = field(default=())  # what the dumps cannot tell

    @property
    def hangs(self) -> bool:
        """Whether anything points to a hang."""
        return bool(self.waits or self.mismatches)


def diagnose(dumps: Mapping[int, Mapping[str, Any]]) -> Diagnosis:
    """From the dump of each rank. A dump that is not as PyTorch writes it raises ValueError with its rank."""
    calls = {rank: _calls(rank, dump) for rank, dump in sorted(dumps.items())}
    members = _members(dumps, calls)
    names = _names(dumps)
    absent = tuple(sorted({rank for ranks in members.values() for rank in ranks} - set(dumps)))
    states = {rank: _state(rank, listed, members) for rank, listed in calls.items()}
    waits = tuple(
        WaitLine(
            rank=found.rank, comm=found.wait.comm, kind="torch", name=names.get(found.wait.comm, found.wait.comm),
            op=found.wait.op, seq=found.wait.seq, phase="", shape="", lacks=found.lacks, site=found.wait.site,
        )
        for found in stuck(states, members)
    )  # fmt: skip
    mismatches = tuple(sorted(_mismatches(calls, members, names), key=lambda mismatch: mismatch.time_ns))
    blame = _blame(mismatches[0]) if mismatches else ()
    return Diagnosis(
        _text(waits, mismatches, blame, absent), False, tuple(sorted(dumps)), absent, waits, mismatches, blame,
        _limits(dumps, calls, absent),
    )  # fmt: skip


def _calls(rank: int, dump: Mapping[str, Any]) -> list[Call]:
    try:
        found = [_call(entry) for entry in dump["entries"] if not entry.get("is_p2p")]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"rank {rank}: no dump of a Flight Recorder: {type(error).__name__}: {error}") from error
    return found


def _call(entry: Mapping[str, Any]) -> Call:
    return Call(
        group=str(entry["process_group"][0]),
        seq=int(entry.get("collective_seq_id", entry.get("seq_id", 0))),
        name=str(entry["profiling_name"]),
        size=str(entry.get("input_sizes", "")),
        state="completed" if entry.get("retired") else str(entry["state"]),
        time_ns=int(entry.get("time_created_ns", 0)),
        site=_site(entry.get("frames") or ()),
    )


def _site(frames: Sequence[Mapping[str, Any]]) -> str:
    """The innermost line that is not PyTorch's."""
    for frame in frames:
        if "/torch/" not in str(frame.get("filename", "")):
            return f"{frame.get('filename')}:{frame.get('line')} in {frame.get('name')}"
    return ""


def _members(dumps: Mapping[int, Mapping[str, Any]], calls: Mapping[int, list[Call]]) -> dict[str, tuple[int, ...]]:
    """The members of each group: as configured, else those that used it."""
    found: dict[str, set[int]] = defaultdict(set)
    for dump in dumps.values():
        config = dump.get("pg_config")
        for group, about in config.items() if isinstance(config, dict) else ():
            if ranks := _ranks(about):
                found[str(about.get("name", group))] |= set(ranks)
    configured = set(found)
    for rank, listed in calls.items():
        for call in listed:
            found[call.group].add(rank)
    for group in set(_worlds(dumps)) - configured:
        found[group] |= set(dumps)  # gloo does not say who its members are; the default group has every rank
    return {group: tuple(sorted(ranks)) for group, ranks in found.items() if ranks}


def _worlds(dumps: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    for dump in dumps.values():
        for entry in dump["entries"]:
            group = entry["process_group"]
            if len(group) > 1 and group[1] == "default_pg":
                yield str(group[0])


def _ranks(about: Any) -> list[int]:
    listed = about.get("ranks", []) if isinstance(about, dict) else []
    if isinstance(listed, str):
        try:
            listed = ast.literal_eval(listed)
        except (ValueError, SyntaxError):
            listed = []
    return [rank for rank in listed if isinstance(rank, int)] if isinstance(listed, (list, tuple)) else []


def _names(dumps: Mapping[int, Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for dump in dumps.values():
        for entry in dump.get("entries", ()):
            group = entry["process_group"]
            described = str(group[1]) if len(group) > 1 and group[1] not in ("", "undefined") else ""
            found[str(group[0])] = described or f"group {group[0]}"
    return found


def _state(rank: int, calls: list[Call], members: Mapping[str, Sequence[int]]) -> RankState:
    """The rank as its dump shows it: what it entered, and in which of its groups it has not come out again.

    Backends that never say that a collective has ended (gloo) are taken to be in the last one only.
    """
    state = RankState(rank)
    for call in calls:
        state.entered[call.group] = max(state.entered.get(call.group, 0), call.seq)
    says = any(call.state in DONE for call in calls)
    waiting = [call for call in calls if call.state not in DONE]
    if not says:
        waiting = waiting[-1:]
    for number, group in enumerate(dict.fromkeys(call.group for call in waiting)):
        first = next(call for call in waiting if call.group == group)
        state.waiters[number] = Wait(group, first.seq, first.name, Need.ALL, -1, 0, first.time_ns, "", "", site=first.site)
    if not state.waiters:
        state.waiters[0] = None  # it was doing something else
    return state


def _mismatches(
    calls: Mapping[int, list[Call]], members: Mapping[str, Sequence[int]], names: Mapping[str, str]
) -> list[Mismatch]:
    """Of each group the first. What a rank's ring no longer holds is not held against it."""
    found: list[Mismatch] = []
    for group, ranks in sorted(members.items()):
        by_rank = {rank: {call.seq: call for call in calls[rank] if call.group == group} for rank in ranks if rank in calls}
        first = max((min(listed) for listed in by_rank.values() if listed), default=0)
        last = max((max(listed) for listed in by_rank.values() if listed), default=-1)
        for seq in range(first, last + 1):
            here = {rank: listed[seq] for rank, listed in by_rank.items() if seq in listed}
            missing = tuple(rank for rank, listed in by_rank.items() if seq > max(listed, default=0))
            entered: dict[str, list[int]] = defaultdict(list)
            for rank, call in sorted(here.items()):
                entered[call.token + (f" at {call.site}" if call.site and len(here) else "")].append(rank)
            if here and (missing or len({call.token for call in here.values()}) > 1):
                time_ns = min(call.time_ns for call in here.values())
                found.append(Mismatch(names.get(group, group), seq, dict(entered), missing, time_ns))
                break
    return found


def _blame(mismatch: Mismatch) -> tuple[int, ...]:
    """Who had not come; else the smallest group."""
    if mismatch.missing:
        return mismatch.missing
    return min((len(ranks), tuple(ranks)) for ranks in mismatch.entered.values())[1]


def _text(waits: Sequence[WaitLine], mismatches: Sequence[Mismatch], blame: Sequence[int], absent: Sequence[int]) -> str:
    parts: list[str] = []
    if mismatches:
        parts.append(f"First difference, in {mismatches[0].text}.")
    if waits:
        parts.append(f"If the dumps held together, {words.knot_text(waits)}, for ever.")
    if absent:
        parts.append(f"No dump of {words.ranks_text(absent)}: whether they still come is not known.")
    return " ".join(parts) or "All ranks entered the same collectives; nothing points to a hang."


def _limits(
    dumps: Mapping[int, Mapping[str, Any]], calls: Mapping[int, list[Call]], absent: Sequence[int]
) -> tuple[str, ...]:
    found = [
        "dumps are not taken at one moment: a rank may have gone on since",
        "MPI, replayed graphs and stores are not in them",
    ]
    if any(listed and not any(call.state in DONE for call in listed) for listed in calls.values()):
        found.append("their backend does not say which collectives have ended")
    if any(entry.get("is_p2p") for dump in dumps.values() for entry in dump.get("entries", ())):
        found.append("point-to-point operations are not followed")
    if absent:
        found.append(f"there is no dump of {words.ranks_text(absent)}")
    return tuple(found)
