"""Checkouts of commits, as git worktrees in a folder of the bisection: made when needed, removed at the end.

A bisection that was killed leaves its worktrees behind. The next one on the same repository removes them: they are
recognised by the mark beside them, whose lock nobody holds any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from lockstep.harness.bisect.checkouts import Checkout
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.repository import Repository

MARK = "lockstep-trees.lock"
KEPT = 8  # checkouts that stay for later launches of their commits; each holds a whole tree, and its build


class Worktrees:
    """The checkouts of one bisection. A context: none is left after it."""

    def __init__(self, repository: Repository, folder: Path, kept: int = KEPT) -> None:
        self._repository = repository
        self._folder = folder.resolve()
        self._kept = kept
        self._lock = threading.Lock()
        self._used: Counter[str] = Counter()
        self._made = 0
        self._number: dict[str, int] = {}
        self._order: list[str] = []  # the least recently used first

    def __enter__(self) -> Worktrees:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._mark = (self._folder / MARK).open("w")
        try:
            fcntl.flock(self._mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._mark.close()
            raise BisectionError(f"{self._folder}: another bisection works there; give --state another folder") from None
        sweep(self._repository, self._folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for sha in list(self._order):
            self._remove(sha)
        self._mark.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._repository.git("worktree", "prune")

    def has(self, sha: str) -> bool:
        """Whether this commit is checked out."""
        return sha in self._order

    @contextmanager
    def use(self, sha: str) -> Iterator[Checkout]:
        """The checkout of a commit. It is not removed meanwhile. Raises BisectionError when git cannot make it."""
        with self._lock:
            self._used[sha] += 1
            if sha in self._order:
                self._order.remove(sha)
            else:
                self._add(sha)
            self._order.append(sha)
        try:
            yield Checkout(self._number[sha], self._path(sha))
        finally:
            with self._lock:
                self._used[sha] -= 1
                idle = [other for other in self._order if not self._used[other]]
                for other in idle[: max(0, len(self._order) - self._kept)]:
                    self._remove(other)

    def _path(self, sha: str) -> Path:
        return self._folder / sha[:16]

    def _add(self, sha: str) -> None:
        try:
            self._repository.git("worktree", "add", "--detach", "--force", str(self._path(sha)), sha)
        except BaseException:
            self._used[sha] -= 1
            _remove(self._repository, self._path(sha))
            raise
        self._made += 1
        self._number[sha] = self._made

    def _remove(self, sha: str) -> None:
        self._order.remove(sha)
        _remove(self._repository, self._path(sha))


def sweep(repository: Repository, own: Path | None = None) -> list[Path]:
    """Remove the worktrees that killed bisections left in this repository; those that were removed.

    `own`: the folder of the present bisection, whose lock it holds itself.
    """
    repository.git("worktree", "prune")
    removed: list[Path] = []
    listed = repository.git("worktree", "list", "--porcelain")
    for path in [Path(line.removeprefix("worktree ")) for line in listed.splitlines() if line.startswith("worktree ")]:
        mark = path.parent / MARK
        if mark.exists() and (path.parent == own or not _held(mark)):
            _remove(repository, path)
            removed.append(path)
            if path.parent != own and not any(entry != mark for entry in path.parent.iterdir()):
                shutil.rmtree(path.parent, ignore_errors=True)
    return removed


def _held(mark: Path) -> bool:
    with mark.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _remove(repository: Repository, path: Path) -> None:
    # Twice forced: also if it was made only in part, or locked by a git that was killed.
    with contextlib.suppress(BisectionError):
        repository.git("worktree", "remove", "--force", "--force", str(path))
    if path.exists():
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)  # a build may have made folders that cannot be written
        shutil.rmtree(path, ignore_errors=True)
    repository.git("worktree", "prune")
