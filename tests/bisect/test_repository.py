"""Repositories, worktrees and builds: against git itself, and after kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.bisect.build import run_build
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.repository import Repository
from lockstep.harness.bisect.statistics.choice import choose
from lockstep.harness.bisect.statistics.posterior import Prior, Tally, posterior
from lockstep.harness.bisect.statistics.suspects import Suspects
from lockstep.harness.bisect.worktrees import Worktrees
from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from tests.bisect.toy import CLEAN, Toy, generate, linear


def merged(seed: int, count: int) -> list[list[int]]:
    """Parents of a random history with merges, whose last commit contains all."""
    chance = random.Random(seed)
    parents: list[list[int]] = [[]]
    heads = {0}
    for number in range(1, count):
        above = {chance.choice(sorted(heads)) if chance.random() < 0.6 else chance.randrange(number)}
        if chance.random() < 0.3:
            above.add(chance.randrange(number))
        heads = (heads - above) | {number}
        parents.append(sorted(above))
    return [*parents, sorted(heads)]


@pytest.mark.parametrize("seed", range(4))
def test_suspects_are_gits(seed: int, tmp_path: Path) -> None:
    """Suspects and what contains them are what `git rev-list` says, in histories with merges; so is how well they halve."""
    toy = generate(tmp_path / "toy", merged(seed, 30), lambda number: CLEAN)
    good, bad = toy.commits[random.Random(seed).randrange(3)], toy.commits[-1]
    found = Repository(toy.path).between(good, bad)
    suspects = Suspects([commit.parents for commit in found.commits])
    assert {commit.sha for commit in found.commits} == set(toy.git("rev-list", f"{good}..{bad}").split())
    rows = suspects.hangs(list(range(suspects.count)))
    reached: dict[str, int] = {}
    for number, commit in enumerate(found.commits):
        contained = {found.commits[suspect].sha for suspect in range(suspects.count) if rows[number, suspect]}
        assert contained == set(toy.git("rev-list", f"{good}..{commit.sha}").split())
        reached[commit.sha] = min(len(contained), suspects.count - len(contained))
    tallies = {suspects.bad: Tally(1, 0), suspects.good: Tally(0, 1)}
    (step,) = choose(suspects, posterior(suspects, tallies, Prior(1 - 1e-9)))
    gits = toy.git("rev-list", "--bisect", f"{good}..{bad}")
    assert reached[found.sha(step.commit)] >= reached[gits] - 1
    assert max(reached.values()) - 1 <= reached[found.sha(step.commit)]


def listed(toy: Toy) -> int:
    """How many worktrees the repository has beside its own."""
    return toy.git("worktree", "list").count("\n")


def test_worktrees_are_kept_while_used_and_removed(tmp_path: Path) -> None:
    """A commit is checked out once; the least recently used go when there are too many; none is left at the end."""
    toy = linear(tmp_path / "toy", 5, lambda number: CLEAN)
    with Worktrees(Repository(toy.path), tmp_path / "trees", kept=2) as worktrees:
        with worktrees.use(toy.commits[0]) as first, worktrees.use(toy.commits[0]) as again:
            assert first == again
            assert (first.path / "VERSION").read_text() == "0\n"
            for number in (1, 2, 3):
                with worktrees.use(toy.commits[number]) as other:
                    assert (other.path / "VERSION").read_text() == f"{number}\n"
            assert (first.path / "VERSION").exists()
        assert listed(toy) == 2
        assert worktrees.has(toy.commits[3])
        assert not worktrees.has(toy.commits[1])
    assert listed(toy) == 0
    assert not (tmp_path / "trees").exists()


HOLD = """
import sys
from pathlib import Path
from lockstep.harness.bisect.repository import Repository
from lockstep.harness.bisect.worktrees import Worktrees
with Worktrees(Repository(Path(sys.argv[1])), Path(sys.argv[2])) as worktrees:
    with worktrees.use(sys.argv[3]) as tree:
        (tree.path / "built").mkdir()
        (tree.path / "built").chmod(0o500)
        print("ready", flush=True)
        sys.stdin.read()
"""


def test_worktrees_of_a_killed_bisection_are_removed(tmp_path: Path) -> None:
    """The next one on the repository removes them, and leaves those of one that runs; a folder has one bisection."""
    toy = linear(tmp_path / "toy", 2, lambda number: CLEAN)
    (tmp_path / "mine").mkdir()
    toy.git("worktree", "add", "--detach", str(tmp_path / "mine" / "own"), toy.commits[1])
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(toy.path), str(tmp_path / name), toy.commits[0]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("killed", "running")
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
        with pytest.raises(BisectionError, match="another bisection works there"):
            Worktrees(Repository(toy.path), tmp_path / "running").__enter__()
        holders[0].kill()
        holders[0].wait()
        assert listed(toy) == 3
        with Worktrees(Repository(toy.path), tmp_path / "next"):
            assert listed(toy) == 2
            assert not (tmp_path / "killed").exists()
    finally:
        for holder in holders:
            holder.communicate()
    assert listed(toy) == 1  # the user's own


def test_build_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Whether it ends, is stopped, or its head is killed: no process of a build stays."""
    mark = f"build-{os.getpid()}"
    command = f"export LOCKSTEP_TEST_MARK={mark}; setsid sleep 600 & "

    def left() -> list[int]:
        return proc.with_variable("LOCKSTEP_TEST_MARK", mark)

    assert run_build(f"{command} echo done", tmp_path, "0", tmp_path / "log").ok
    assert wait_until(lambda: not left(), 20)
    failed = run_build(f"{command} echo cannot; exit 3", tmp_path, "0", tmp_path / "log")
    assert (failed.ok, failed.text) == (False, "the build failed (3): cannot")
    with pytest.raises(KeyboardInterrupt):
        run_build(f"{command} sleep 600", tmp_path, "0", tmp_path / "log", stopped=lambda: bool(left()))
    assert wait_until(lambda: not left(), 20)
    program = "import sys; from pathlib import Path; from lockstep.harness.bisect.build import run_build; "
    program += "run_build(sys.argv[1], Path(sys.argv[2]), '0', Path(sys.argv[2], 'log'))"
    head = subprocess.Popen([sys.executable, "-c", program, f"{command} sleep 600", str(tmp_path)])
    assert wait_until(lambda: len(left()) >= 2, 60)
    head.send_signal(signal.SIGKILL)
    head.wait()
    assert wait_until(lambda: not left(), 20)
