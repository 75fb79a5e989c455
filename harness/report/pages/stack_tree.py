"""The stacks of all processes as one tree: a line once, with those that stand in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.stack_text import Frame, frames
from lockstep.harness.judge.words import capital, ranks_text

OURS = ("/harness/attach/", "/harness/trace/")
MOST = 12  # leaves
WIDE = 160  # characters of a line of code


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where some stand: the innermost line of the program, and the whole stack, the innermost line first."""

    who: str
    site: str
    code: str
    frames: tuple[tuple[str, str, bool], ...]  # place, code, whether the program's own
    ranks: tuple[int, ...]
    caller: str  # the innermost line of the program in another folder: what is below may be its own small library


@dataclass(slots=True)
class _Group:
    ranks: list[int] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StackTree:
    """`shared`: the outer lines in which all of the leaves stand, the innermost first."""

    leaves: tuple[Leaf, ...]
    shared: tuple[tuple[str, str, bool], ...]
    left_out: int  # leaves for which there was no room


def stack_tree(texts: Mapping[str, str], folder: str = "") -> StackTree:
    """Of the stacks by process: `rank-0`, `process-4711`. Threads in which only libraries stand tell nothing."""
    found: dict[tuple[Frame, ...], _Group] = {}
    for name, text in texts.items():
        for place, stack in enumerate(_telling(frames(text))):
            group = found.setdefault(stack, _Group())
            kind, _, number = name.partition("-")
            if kind == "rank" and number.isdigit():
                group.ranks.append(int(number))
            elif place == 0:
                group.others.append(f"process {number}")
    stacks = [stack for stack, group in found.items() if group.ranks]
    shared = _shared(stacks) if len(stacks) > 1 else 0
    order = sorted(
        ((stack, group) for stack, group in found.items() if group.ranks or group.others),
        key=lambda item: (not item[1].ranks, -len(set(item[1].ranks)), min(item[1].ranks, default=0)),
    )
    leaves = [_leaf(stack, group, shared if stack in stacks else 0, folder) for stack, group in order]
    common = tuple(_line(frame, folder) for frame in stacks[0][len(stacks[0]) - shared :]) if shared else ()
    return StackTree(tuple(leaves[:MOST]), common, max(0, len(leaves) - MOST))


def _telling(stacks: Sequence[Sequence[Frame]]) -> Iterable[tuple[Frame, ...]]:
    """The main thread, and others in which the program stands; without the lines of the recorder around an operation."""
    for at, stack in enumerate(stacks):
        rest = tuple(frame for frame in stack if not any(part in frame.file for part in OURS))
        if rest and (at == 0 or (len(rest) == len(stack) and any(frame.is_program for frame in stack))):
            yield rest


def _shared(stacks: Sequence[Sequence[Frame]]) -> int:
    """How many of the outer lines are the same in all, at least one of each being left."""
    most = min(len(stack) for stack in stacks) - 1
    same = 0
    while same < most and len({stack[len(stack) - 1 - same] for stack in stacks}) == 1:
        same += 1
    return same


def _leaf(stack: Sequence[Frame], group: _Group, shared: int, folder: str) -> Leaf:
    own = next((frame for frame in stack if frame.is_program), stack[0])
    code = next((frame.code for frame in stack if frame.code), "")
    who = ", ".join(filter(None, (ranks_text(group.ranks) if group.ranks else "", *group.others[:4])))
    place = own.file.rpartition("/")[0]
    caller = next((one for one in stack if one.is_program and one.file.rpartition("/")[0] != place), None)
    lines = tuple(_line(frame, folder) for frame in stack[: len(stack) - shared])
    return Leaf(
        capital(who),
        own.site(folder),
        code[:WIDE],
        lines,
        tuple(sorted(set(group.ranks))),
        caller.site(folder) if caller else "",
    )


def _line(frame: Frame, folder: str) -> tuple[str, str, bool]:
    return frame.site(folder), frame.code[:WIDE], frame.is_program
