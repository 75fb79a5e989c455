"""`lockstep bisect` on generated repositories, with real ranks under the real watchdog."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.cli import main
from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from tests.bisect.toy import CLEAN, CROSSED, FLAKY, RAISES, SHORT, Toy, generate, linear
from tests.watchdog.test_teardown import hear_interrupts

pytestmark = pytest.mark.timeout(300)  # a loaded machine starts processes slowly
SCENARIO = str(Path(__file__).parent / "two_ranks.yaml")
PROGRAM = str(Path(sys.executable).parent / "lockstep")


def bisect(
    toy: Toy, state: Path, *more: str, ends: tuple[int, int] = (0, -1), env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command from its good end to its bad one."""
    good, bad = (toy.commits[number] for number in ends)
    where = ["--repo", str(toy.path), "--good", good, "--bad", bad, "--state", str(state), "--json"]
    return lockstep("bisect", SCENARIO, *where, *more, env=env)


def lockstep(*words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does."""
    full = {**os.environ, **(env or {})}
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=280, check=False, env=full, cwd=cwd)


def report(state: Path) -> dict[str, Any]:
    """report.json."""
    found: dict[str, Any] = json.loads((state / "report.json").read_text())
    return found


def worktrees(toy: Toy) -> list[str]:
    """The worktrees of the repository, its own one excepted."""
    listed = [line for line in toy.git("worktree", "list", "--porcelain").splitlines() if line.startswith("worktree ")]
    return listed[1:]


def test_regression_among_256_commits(tmp_path: Path) -> None:
    """The planted commit is found in at most 10 launches; nothing of the repository is changed, no worktree is left."""
    toy = linear(tmp_path / "toy", 256, lambda number: SHORT if number >= 77 else CLEAN)
    (toy.path / "VERSION").write_text("changed, and not committed\n")
    (toy.path / ".git" / "hooks").mkdir(exist_ok=True)
    hook = toy.path / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch hook-ran\n")
    hook.chmod(0o755)
    before = toy.git("status", "--porcelain"), toy.git("rev-parse", "HEAD")
    done = bisect(toy, tmp_path / "state")
    assert done.returncode == 0, done.stderr
    found = report(tmp_path / "state")
    assert json.loads(done.stdout) == found
    assert (found["kind"], found["found"]) == ("commit", [toy.commits[77]])
    assert found["launches"] <= 10
    assert found["probability"] >= found["confidence"] == 0.95
    assert f"{toy.commits[77][:12]} Commit 77 is the first bad commit" in done.stderr
    assert worktrees(toy) == []
    assert (toy.git("status", "--porcelain"), toy.git("rev-parse", "HEAD")) == before
    page = (tmp_path / "state" / "report.md").read_text()
    links = re.findall(r"\]\(([^)]+verdict\.json)\)", page)
    assert len(links) == found["launches"]
    for link in links:
        verdict = json.loads((tmp_path / "state" / link).read_text())
        assert verdict["outcome"] in ("success", "hang")
        assert "judge-commit" in verdict["rerun"]
    assert not list((tmp_path / "state").rglob("hook-ran"))


def test_commits_that_say_nothing(tmp_path: Path) -> None:
    """Commits that do not build, have no engine, raise, or show another hang are neither good nor bad; two at once."""

    def body(number: int) -> str:
        return CROSSED if 8 <= number <= 11 else RAISES if number == 12 else SHORT if number >= 20 else CLEAN

    def files(number: int) -> dict[str, str]:
        engine = {"engines/minimal/__main__.py": ""} if number in (14, 15) else {}
        return engine | ({"broken": "yes\n"} if number in (16, 17) else {})

    toy = linear(tmp_path / "toy", 24, body, extra=files)
    build = 'echo "$LOCKSTEP_COMMIT" >> "$TOY_BUILDS"; test ! -f broken || { echo "cannot build this"; exit 1; }'
    builds = tmp_path / "builds.txt"
    done = bisect(toy, tmp_path / "state", "--build", build, "--jobs", "2", env={"TOY_BUILDS": str(builds)})
    assert done.returncode == 0, done.stderr
    found = report(tmp_path / "state")
    assert found["found"] == [toy.commits[20]]
    built = builds.read_text().split()
    assert len(built) == len(set(built)), "a commit was built twice"
    skipped = {line["number"]: line["skipped"] for line in found["commits"] if line["skipped"]}
    assert set(skipped) <= {8, 9, 10, 11, 12, 14, 15, 16, 17}
    assert worktrees(toy) == []


def test_another_hang_hides_the_culprit(tmp_path: Path) -> None:
    """Where another hang lies around the culprit the result is a range, exit code 1, and never the other hang's commit."""
    toy = linear(tmp_path / "toy", 8, lambda number: CROSSED if 3 <= number <= 5 else SHORT if number > 5 else CLEAN)
    done = bisect(toy, tmp_path / "state")
    assert done.returncode == 1, done.stderr
    found = report(tmp_path / "state")
    assert (found["kind"], found["found"]) == ("range", toy.commits[3:7])
    others = [line["skipped"] for line in found["commits"] if line["skipped"]]
    assert len(others) == 3
    assert all("something else: hang" in text for text in others)


def test_fix_on_a_merged_branch(tmp_path: Path) -> None:
    """`--find fixed` finds the commit that took a hang away, on a branch that was merged."""
    parents = [[], [0], [1], [1], [3], [2, 4], [5]]  # 1-2 and 1-3-4, merged by 5
    fixed = {4, 5, 6}
    toy = generate(tmp_path / "toy", parents, lambda number: CLEAN if number in fixed else SHORT, "src/engines")
    done = bisect(toy, tmp_path / "state", "--find", "fixed", "--tree", "src", ends=(-1, 0))
    assert done.returncode == 0, done.stderr
    assert report(tmp_path / "state")["found"] == [toy.commits[4]]
    assert "first fixed commit" in done.stderr
    turned = bisect(toy, tmp_path / "other", ends=(-1, 0))
    assert turned.returncode == 2
    assert "give --find fixed" in turned.stderr


def test_flaky_hang(tmp_path: Path) -> None:
    """A hang that shows in about half of the launches is found by repetition; the report says what could be missed."""
    toy = linear(tmp_path / "toy", 4, lambda number: FLAKY if number >= 2 else CLEAN)
    counters = tmp_path / "counters"
    counters.mkdir()
    env = {"TOY_LAUNCHES": str(counters), "TOY_RATE": "0.6"}
    done = bisect(toy, tmp_path / "state", "--repeat", "4", "--confidence", "0.9", env=env)
    assert done.returncode == 0, done.stderr
    found = report(tmp_path / "state")
    assert found["found"] == [toy.commits[2]]
    (line,) = [line for line in found["commits"] if line["number"] == 4]
    assert line["hangs"] + line["clean"] >= 4
    assert found["rate_low"] <= 0.6 <= found["rate_high"]
    assert "9 at rate 0.3" in done.stderr


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_ended_half_way_and_resumed(signum: signal.Signals, tmp_path: Path) -> None:
    """After kill -9 or Ctrl-C no process is left; --resume goes on, repeats no judged launch, and cleans up."""
    toy = linear(tmp_path / "toy", 16, lambda number: SHORT if number >= 6 else CLEAN)
    state, mark = tmp_path / "state", f"bisect-{os.getpid()}-{signum}"
    where = ["--repo", str(toy.path), "--good", toy.commits[0], "--bad", toy.commits[-1], "--state", str(state)]
    environment = {**os.environ, "LOCKSTEP_TEST_MARK": mark}
    head = subprocess.Popen(
        [PROGRAM, "bisect", SCENARIO, *where], stderr=subprocess.DEVNULL, env=environment, preexec_fn=hear_interrupts
    )
    assert wait_until(lambda: journal(state).count("launch") >= 4 and ranks_started(state), 100)
    head.send_signal(signum)
    assert head.wait(60) == (130 if signum == signal.SIGINT else -9)
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 60)
    assert (worktrees(toy) == []) == (signum == signal.SIGINT)
    judged = list(state.glob("launches/*/cases/*/verdict.json"))
    again = lockstep("bisect", "--resume", "--state", str(state))
    assert again.returncode == 0, again.stderr
    assert f"{len(judged)} launches are on disk and are not repeated" in again.stderr
    found = report(state)
    assert found["found"] == [toy.commits[6]]
    assert found["launches"] <= 6
    assert sorted(line["hangs"] + line["clean"] for line in found["commits"] if line["hangs"] + line["clean"]) == [1] * 6
    assert worktrees(toy) == []
    assert lockstep("bisect", "--resume", "--state", str(state)).returncode == 0


def journal(state: Path) -> list[str]:
    """The kinds of the journal's lines."""
    path = state / "journal.jsonl"
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()] if path.exists() else []


def ranks_started(state: Path) -> bool:
    """Whether a rank of the last launch runs and its verdict is not there."""
    last = sorted(state.glob("launches/0*"))[-1]
    return any(last.glob("cases/*/rank-*.events")) and not any(last.glob("cases/*/verdict.json"))


def test_ends_are_refused(tmp_path: Path) -> None:
    """A bad end that is clean or shows another hang, and a good end that hangs, are refused with the reason."""
    toy = linear(tmp_path / "toy", 3, lambda number: [CLEAN, SHORT, CROSSED, CLEAN][number])
    clean = bisect(toy, tmp_path / "a")
    assert (clean.returncode, "the bad end is good: one launch" in clean.stderr) == (2, True)
    other = bisect(toy, tmp_path / "b", "--signature", "0123456789ab", ends=(0, 2))
    assert other.returncode == 2
    assert "the bad end cannot be used: it shows something else: hang" in other.stderr
    swapped = bisect(toy, tmp_path / "c", ends=(1, 2))
    assert swapped.returncode == 2
    assert "the good end cannot be used: it shows something else: hang" in swapped.stderr


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """Give the signal back that a command takes when it runs in the test's process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("own_handlers")
def test_bad_input_launches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ends that are equal, unrelated or unknown, a cut history, no repository, several cases: exit code 2, no state."""
    toy = generate(tmp_path / "toy", [[], [0], [0]], lambda number: CLEAN)
    linear(tmp_path / "long", 4, lambda number: CLEAN)
    source = f"file://{tmp_path / 'long'}"
    subprocess.run(["git", "clone", "--quiet", "--depth", "2", source, str(tmp_path / "cut")], check=True)
    one, two = toy.commits[1:]

    def refused(*words: str) -> str:
        assert main(["bisect", *words, "--state", str(tmp_path / "state")]) == 2
        assert not (tmp_path / "state").exists()
        return capsys.readouterr().err

    repo = ["--repo", str(toy.path)]
    assert "the same commit" in refused(SCENARIO, *repo, "--good", one, "--bad", one)
    unrelated = refused(SCENARIO, *repo, "--good", one, "--bad", two)
    assert f"not an ancestor of {two[:12]}; their merge base is {toy.commits[0][:12]}" in unrelated
    assert "'nope' names no commit" in refused(SCENARIO, *repo, "--good", "nope", "--bad", two)
    cut = ["--repo", str(tmp_path / "cut"), "--good", "HEAD~3", "--bad", "HEAD"]
    assert "is a shallow clone: run `git fetch --unshallow`" in refused(SCENARIO, *cut)
    assert "no such folder" in refused(SCENARIO, "--repo", str(tmp_path / "x"), "--good", "a", "--bad", "b")
    assert "--good, --bad are missing" in refused(SCENARIO, *repo)
    assert "one is needed" in refused("tests/campaign/two_ranks.yaml", *repo, "--good", one, "--bad", two)
    assert "there is no bisection to go on with" in refused("--resume")
    assert "leave out --good" in refused("--resume", "--good", one)
    assert "--signature xyz: give" in refused(SCENARIO, *repo, "--good", one, "--bad", two, "--signature", "xyz")
    assert "--tree ../x" in refused(SCENARIO, *repo, "--good", one, "--bad", two, "--tree", "../x")
    assert "--jobs 0" in refused(SCENARIO, *repo, "--good", one, "--bad", two, "--jobs", "0")
