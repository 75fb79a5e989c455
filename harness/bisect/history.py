"""The history that a bisection looks at, and what of it is launched: commits of a repository, releases, or images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockstep.harness.bisect.checkouts import Checkouts
from lockstep.harness.bisect.commits import CommitCheckouts
from lockstep.harness.bisect.environments import Environments, Install
from lockstep.harness.bisect.images import Container, Images
from lockstep.harness.bisect.releases import range_of
from lockstep.harness.bisect.repository import Range, Repository
from lockstep.harness.bisect.state import BisectionRequest
from lockstep.harness.bisect.worktrees import Worktrees


def history(asked: BisectionRequest) -> Range:
    """What lies between the ends. Raises BisectionError."""
    if asked.releases:
        return range_of(asked.releases, "image" if "tool" in asked.install else "release")
    older, newer = (asked.good, asked.bad) if asked.find == "bad" else (asked.bad, asked.good)
    return Repository(Path(asked.repository)).between(older, newer)


@contextmanager
def checkouts(asked: BisectionRequest, folder: Path, kept: int) -> Iterator[Checkouts]:
    """What is launched. No worktree is left after it; environments and images are."""
    if asked.releases and "tool" in asked.install:
        yield Images(asked, Container.from_json(asked.install))
    elif asked.releases:
        yield Environments(asked, Install.from_json(asked.install))
    else:
        repository = Repository(Path(asked.repository))
        with Worktrees(repository, folder, kept) as worktrees:
            yield CommitCheckouts(repository, worktrees, asked)
