"""Two ranks side by side: what they did, in order, aligned, from shortly before their first difference on. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.pages.tracks import Track
from lockstep.harness.report.pages.wait_graph import short
from lockstep.harness.vocabulary import Outcome

BEFORE, AFTER, ALIGNED = 4, 12, 400  # rows before and after the difference; steps that are aligned
PEERS = 4  # with which a rank is compared
COUNTED = "(DistributedDataParallel)"  # as the recorder names what is issued by C++ alone
_SHOWN = ("enter", "post", "decision", "raised", "error", "returned", "abort", "launch")


class Step(NamedTuple):
    """One thing that a rank did. Two are alike if they are the same but for their numbers and times."""

    kind: str
    place: str  # phase and shape
    what: str
    choice: str  # of a decision
    detail: str
    number: str  # of an operation
    time_s: float
    open: bool = False  # an operation that never ended

    @property
    def key(self) -> tuple[str, str, str, str]:
        """By which steps are alike."""
        return (self.kind, self.place, self.what, self.choice)


class Row(NamedTuple):
    """What stands beside each other. `mark`: `same`, `first` (the first difference), `differs`, or `gap`."""

    left: Step | None
    right: Step | None
    mark: str
    skipped: int = 0  # rows that a gap stands for


@dataclass(frozen=True, slots=True)
class Columns:
    """`left`: the blamed rank, or the first one."""

    left: int
    right: int
    rows: tuple[Row, ...]
    parted_s: float | None  # when the first of the two did what the other did not
    decided: bool  # the difference is the decision that the verdict blames


def columns(verdict: Verdict, tracks: Sequence[Track]) -> Columns | None:
    """Of the blamed rank and a peer; None where there are no two to compare, or their beginnings are not there."""
    if verdict.outcome is Outcome.SUCCESS:
        return None
    by_rank = {track.rank: track for track in tracks if not track.left_out}
    blamed = [rank for rank in (verdict.blame.ranks if verdict.blame else ()) if rank in by_rank]
    left = next(iter(blamed), None if verdict.blame else next(iter(by_rank), None))
    if left is None:
        return None
    done = {rank: steps(by_rank[rank].events) for rank in (left, *_peers(verdict, left, by_rank))}
    # Of those that it could be compared with, the one with which it has most in common: ranks may have different parts.
    right = max(list(done)[1:], key=lambda rank: _common(done[left], done[rank]), default=None)
    if right is None:
        return None
    a, b = done[left], done[right]
    decided = _decided(verdict, a, b)
    at = decided or _differ(a, b)
    if at is None:
        return None
    rows = _aligned(a[max(0, at[0] - BEFORE) : at[0] + ALIGNED], b[max(0, at[1] - BEFORE) : at[1] + ALIGNED])
    wanted = a[at[0]] if decided else None  # what they did before it may differ too, and is not what the verdict blames
    first = next((n for n, row in enumerate(rows) if row.mark != "same" and (wanted is None or row.left is wanted)), None)
    if first is None:
        return None
    rows[first] = rows[first]._replace(mark="first")
    times = [step.time_s for step in (rows[first].left, rows[first].right) if step]
    return Columns(left, right, tuple(_shortened(rows, first)), min(times, default=None), decided is not None)


def steps(events: Sequence[Mapping[str, Any]]) -> list[Step]:
    """What of a rank's events is compared."""
    found: list[Step] = []
    begun: dict[int, int] = {}  # thread -> place of its open operation
    for event in events:
        kind, thread = event["kind"], event["thread"]
        if kind == "exit" and thread in begun:
            at = begun.pop(thread)
            found[at] = found[at]._replace(open=False)
        if kind not in _SHOWN:
            continue
        if kind == "enter":
            begun[thread] = len(found)
        step = _step(event)
        if COUNTED in step.what:  # it is noted when the rank comes to its next operation, and not when it is issued
            begun.pop(thread, None)
        elif found and kind == "enter" and found[-1].kind == "post" and found[-1][1:6] == step[1:6]:
            begun[thread] = len(found) - 1  # that which was begun is waited for
            found[-1] = step._replace(time_s=found[-1].time_s)
        else:
            found.append(step)
    return found


def _step(event: Mapping[str, Any]) -> Step:
    kind, text = str(event["kind"]), str(event["text"] or "")
    place = " ".join(filter(None, (event["phase"], event["shape"])))
    if kind == "decision":
        what, _, rest = text.removesuffix(", deviates").rpartition(": ")
        choice, detail = rest, ""
        if found := re.fullmatch(r"(.*): ([^()]*?)(?: \((.*)\))?", text.removesuffix(", deviates")):
            what, choice, detail = found[1], found[2], found[3] or ""
        return Step(kind, place, what, choice, detail, "", event["time_s"])
    if event["op"] is None:
        return Step(kind, place, f"{kind} {text}".strip(), "", "", "", event["time_s"])
    name = comm_name(str(event["comm"] or ""))
    peer = f" (peer {event['peer']})" if event["peer"] is not None else ""
    site = short(str(event["site"] or ""))
    what = " ".join(filter(None, (name, f"{event['op']}{peer}")))
    return Step(kind, place or site, what, "", site if place else "", f"#{event['seq']}", event["time_s"], kind == "enter")


def comm_name(key: str) -> str:
    """`mpi tp` of `mpi:tp#1@84deff01`."""
    return re.sub(r"#\d+(?:@[0-9a-f]+)?$", "", key).replace(":", " ", 1)


def _peers(verdict: Verdict, left: int, tracks: Mapping[int, Track]) -> list[int]:
    """Those who chose otherwise, else those who wait for it, else any others."""
    blame = verdict.blame
    choices = blame.choices if blame else {}
    own = set(blame.ranks if blame else ())
    other = [rank for made in choices.values() if left not in made for rank in made]
    waiting = [line.rank for line in verdict.knot if left in line.lacks]
    for ranks in (other, waiting, sorted(tracks)):
        found = [rank for rank in dict.fromkeys(ranks) if rank in tracks and rank != left and rank not in own]
        if found:
            return found[:PEERS]
    return []


def _common(a: Sequence[Step], b: Sequence[Step]) -> int:
    """How many steps two ranks have in common from their first on."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x.key != y.key), min(len(a), len(b)))


def _decided(verdict: Verdict, a: Sequence[Step], b: Sequence[Step]) -> tuple[int, int] | None:
    """Where the blamed decision stands on both."""
    blame = verdict.blame
    if blame and blame.by == "decision":
        name = f"{blame.site} {blame.shape}".strip()
        places = [[at for at, step in enumerate(side) if step.kind == "decision" and step.what == name] for side in (a, b)]
        return next(((x, y) for x, y in zip(*places, strict=False) if a[x].choice != b[y].choice), None)
    return None


def _differ(a: Sequence[Step], b: Sequence[Step]) -> tuple[int, int] | None:
    """The first step that differs."""
    common = _common(a, b)
    return (common, common) if common < max(len(a), len(b)) else None


def _aligned(a: Sequence[Step], b: Sequence[Step]) -> list[Row]:
    """What both began with stands first: the matcher may like a longer match behind it better."""
    common = _common(a, b)
    rows = [Row(x, y, "same") for x, y in zip(a[:common], b[:common], strict=True)]
    a, b = a[common:], b[common:]
    matcher = SequenceMatcher(None, [step.key for step in a], [step.key for step in b], autojunk=False)
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        if what == "equal":
            rows += [Row(x, y, "same") for x, y in zip(a[a0:a1], b[b0:b1], strict=True)]
            continue
        rows += _side_by_side(a[a0:a1], b[b0:b1])
    return rows


def _side_by_side(a: Sequence[Step], b: Sequence[Step]) -> list[Row]:
    """Steps of which none is alike: one decision that both made stands in one row, all else below each other."""
    rows: list[Row] = []
    both = {(step.place, step.what) for step in a if step.kind == "decision"}
    meets = next((at for at, step in enumerate(b) if (step.place, step.what) in both), None)
    if meets is not None:
        here = next(at for at, step in enumerate(a) if (step.place, step.what) == (b[meets].place, b[meets].what))
        rows += _beside(a[:here], b[:meets])
        rows.append(Row(a[here], b[meets], "differs"))
        return rows + _beside(a[here + 1 :], b[meets + 1 :])
    return _beside(a, b)


def _beside(a: Sequence[Step], b: Sequence[Step]) -> list[Row]:
    both = [Row(x, y, "differs") for x, y in zip(a, b, strict=False)]
    return both + [Row(x, None, "differs") for x in a[len(b) :]] + [Row(None, y, "differs") for y in b[len(a) :]]


def _shortened(rows: Sequence[Row], first: int) -> list[Row]:
    """The difference, what stands around it, and where each stands at last."""
    last = {len(rows) - 1}
    for side in ("left", "right"):
        last |= set([at for at, row in enumerate(rows) if getattr(row, side)][-1:])
    wanted = sorted({*range(max(0, first - BEFORE), min(len(rows), first + AFTER)), *last})
    found: list[Row] = []
    before = wanted[0] - 1 if wanted else 0
    for at in wanted:
        if at > before + 1:
            found.append(Row(None, None, "gap", at - before - 1))
        found.append(rows[at])
        before = at
    return found
