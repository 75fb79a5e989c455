"""Members of a communicator in short: runs of ranks with one step between them. 10,000 ranks in a row are three numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Run = list[int]  # first, last, step
MOST = 1 << 24  # ranks of a communicator: what is read was written by others


def pack(ranks: Sequence[int]) -> list[int | Run]:
    """Ranks in their order: single ones, and runs of at least three as `[first, last, step]`. The inverse of `unpack`."""
    if len(ranks) > 2 and (step := ranks[1] - ranks[0]) and tuple(ranks) == tuple(_run(ranks[0], ranks[-1], step)):
        return [[ranks[0], ranks[-1], step]]  # the most frequent, in no time
    found: list[int | Run] = []
    at = 0
    while at < len(ranks):
        end = at + 1
        step = ranks[end] - ranks[at] if end < len(ranks) else 0
        while step and end + 1 < len(ranks) and ranks[end + 1] - ranks[end] == step:
            end += 1
        if end - at < 2:
            found.append(ranks[at])
            at += 1
        else:
            found.append([ranks[at], ranks[end], step])
            at = end + 1
    return found


def unpack(packed: Iterable[int | Run]) -> tuple[int, ...]:
    """The ranks, in their order. Raises TypeError or ValueError where it is none of ours."""
    found: list[int] = []
    for part in packed:
        first, last, step = (part, part, 1) if isinstance(part, int) else part
        if not (0 <= first < MOST and 0 <= last < MOST):
            raise ValueError("no ranks of any case")
        found += _run(first, last, step)
        if len(found) > MOST:
            raise ValueError("more ranks than any case has")
    return tuple(found)


def _run(first: int, last: int, step: int) -> range:
    return range(first, last + (1 if step > 0 else -1), step)
