"""The suspects: commits of which one may have brought the hang, and which commits hang if it was this one. Pure.

A commit hangs if the culprit is among its ancestors or is itself; that is all that merges change. With `find` fixed the
culprit took the hang away, and the others hang. One more suspect stands for all that lies outside of the range: then
every commit hangs, the good end too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Find: TypeAlias = Literal["bad", "fixed"]
Bools: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]
BLOCK_CELLS = 1 << 22  # of a matrix that is unpacked at once


class Suspects:
    """`count` commits by number, parents before children; number `count` is the older end as a commit, and the outside as
    a suspect. The newer end is the last commit that is a suspect."""

    def __init__(self, parents: Sequence[Sequence[int]], find: Find = "bad") -> None:
        """`parents[i]`: the numbers of those parents of commit i that are suspects too."""
        self.count = len(parents)
        self.find = find
        self._ancestors = _closure(parents)
        self._neighbours = _neighbours(parents)

    @property
    def outside(self) -> int:
        """The suspect that is no commit of the range; as a commit, the older end."""
        return self.count

    @property
    def older(self) -> int:
        """The commit that contains no suspect."""
        return self.count

    @property
    def newer(self) -> int:
        """The commit that contains all suspects."""
        return self.count - 1

    @property
    def good(self) -> int:
        """The end that should not hang."""
        return self.older if self.find == "bad" else self.newer

    @property
    def bad(self) -> int:
        """The end that hangs."""
        return self.newer if self.find == "bad" else self.older

    def hangs(self, commits: Sequence[int] | Numbers) -> Bools:
        """For each of `commits` a row: whether it hangs, suspect by suspect."""
        packed = self._ancestors[np.asarray(commits, dtype=np.int64)]
        contains = np.unpackbits(packed, axis=1, count=self.count, bitorder="little").astype(bool)
        hang = np.ones((len(contains), self.count + 1), dtype=bool)
        hang[:, : self.count] = contains if self.find == "bad" else ~contains
        return hang

    def blocks(self, commits: Numbers) -> Iterator[tuple[slice, Bools]]:
        """`hangs` of many commits, some rows at a time."""
        step = max(1, BLOCK_CELLS // (self.count + 1))
        for first in range(0, len(commits), step):
            part = slice(first, first + step)
            yield part, self.hangs(commits[part])

    def distances(self, sources: Sequence[int], stops: Sequence[int]) -> Numbers:
        """From each commit to the nearest of `sources`, in steps between parent and child that do not lead through
        `stops`; `count` + 1 where there is none."""
        far = self.count + 1
        found = np.full(self.count + 1, far, dtype=np.int64)
        blocked = set(stops)
        edge = list(sources)
        found[edge] = 0
        steps = 0
        while edge:
            steps += 1
            ahead = {near for commit in edge if commit not in blocked for near in self._neighbours[commit]}
            edge = [commit for commit in ahead if found[commit] == far]
            found[edge] = steps
        return found


def _closure(parents: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """Who is among whose ancestors, as rows of bits; the last row, of the older end, has none."""
    count = len(parents)
    rows = np.zeros((count + 1, (count + 7) // 8), dtype=np.uint8)
    for commit, above in enumerate(parents):
        if any(parent >= commit for parent in above):
            raise ValueError(f"commit {commit} comes before one of its parents")
        for parent in above:
            rows[commit] |= rows[parent]
        rows[commit, commit // 8] |= 1 << (commit % 8)
    return rows


def _neighbours(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Parents and children; roots of the range are next to the older end."""
    count = len(parents)
    found: list[list[int]] = [[] for _ in range(count + 1)]
    for commit, above in enumerate(parents):
        for parent in above or (count,):
            found[commit].append(parent)
            found[parent].append(commit)
    return found
