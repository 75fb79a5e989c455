"""`lockstep judge-commit`: the exit codes that `git bisect run` reads, and that nothing else can look like one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.cli import guarded
from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from tests.bisect.test_bisect import PROGRAM, SCENARIO, lockstep, own_handlers  # noqa: F401
from tests.bisect.toy import CLEAN, CROSSED, RAISES, SHORT, Toy, linear
from tests.watchdog.test_teardown import hear_interrupts

pytestmark = pytest.mark.timeout(300)  # a loaded machine starts processes slowly
BODIES = (CLEAN, SHORT, CROSSED, RAISES, CLEAN)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """One commit of each kind; the last has no engine."""
    none = {"engines/minimal/__main__.py": ""}
    path = tmp_path_factory.mktemp("judge") / "toy"
    return linear(path, 4, lambda number: BODIES[number], extra=lambda number: none if number == 4 else {})


def judge(toy: Toy, commit: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Check a commit out and judge it there."""
    toy.git("checkout", "--quiet", toy.commits[commit])
    return lockstep("judge-commit", SCENARIO, *more, cwd=toy.path)


def signature(toy: Toy) -> str:
    """Of the last verdict, from its file in git's folder."""
    last = max((toy.path / ".git" / "lockstep").glob("2*/cases/*/verdict.json"), key=lambda path: path.stat().st_mtime_ns)
    found: str = json.loads(last.read_text())["signature"]
    return found


def test_codes(toy: Toy) -> None:
    """0 good, 1 bad, 125 for another hang than the wanted one and for another error; the checkout stays clean."""
    assert judge(toy, 0, "--repeat", "2").returncode == 0
    assert judge(toy, 1).returncode == 1
    wanted = ["--signature", signature(toy)]
    assert judge(toy, 1, *wanted).returncode == 1
    assert judge(toy, 2).returncode == 1  # without a signature any hang is bad
    assert judge(toy, 2, *wanted).returncode == 125
    assert judge(toy, 3, *wanted).returncode == 125
    assert judge(toy, 4, *wanted).returncode == 125
    assert toy.git("status", "--porcelain", "--untracked-files=all").replace("__pycache__", "") == ""


def test_builds(toy: Toy) -> None:
    """A build runs in the checkout; one that fails is 125, whatever it exits with."""
    done = judge(toy, 0, "--build", "test -f VERSION && exit 7")
    assert (done.returncode, "the build failed (7)" in done.stderr) == (125, True)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize(
    "words",
    [
        ["no/such/scenario.yaml"],
        [SCENARIO, "--case", "nope"],
        [SCENARIO, "--no-such-option"],
        [SCENARIO, "--repeat", "0"],
        [SCENARIO, "--signature", "a hang"],
        [SCENARIO, "--reports", "/proc/nowhere"],
        [],
    ],
)
def test_mistakes_stop(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in the input is 128 or more: git stops, and takes no commit for bad."""
    toy = linear(tmp_path / "toy", 0, lambda number: CLEAN)
    monkeypatch.chdir(toy.path)
    assert guarded(["judge-commit", *words]) >= 128


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), MemoryError(), SystemExit(1), SystemExit("no")])
def test_errors_stop(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised on the way is 128 or more."""

    def fail(words: object) -> int:
        raise error

    monkeypatch.setattr("lockstep.harness.cli._run", fail)
    assert guarded(["judge-commit", SCENARIO]) >= 128


@pytest.mark.parametrize("code", [2, 3, 5, 124, 126, 127])
def test_other_codes_stop(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that is none of the three is no verdict."""
    monkeypatch.setattr("lockstep.harness.cli._run", lambda words: code)
    assert guarded(["judge-commit", SCENARIO]) >= 128


def test_import_errors_stop(toy: Toy, tmp_path: Path) -> None:
    """When a library cannot be imported the code is 128 or more, not Python's 1."""
    (tmp_path / "pydantic.py").write_text("raise ImportError('broken')\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}  # the trace of it goes there
    done = subprocess.run([PROGRAM, "judge-commit", SCENARIO], cwd=toy.path, env=env, capture_output=True, check=False)
    assert done.returncode >= 128


def test_closed_output_does_not_change_the_code(toy: Toy, tmp_path: Path) -> None:
    """With stdout and stderr closed a good commit is 0 or a stop, never 1 or 120."""
    toy.git("checkout", "--quiet", toy.commits[0])
    words = [sys.executable, "-c", "import os, sys; os.closerange(1, 3); os.execv(sys.argv[1], sys.argv[1:])", PROGRAM]
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # of a fault the trace goes there
    done = subprocess.run([*words, "judge-commit", SCENARIO], cwd=toy.path, env=env, check=False)
    assert done.returncode == 0 or done.returncode >= 128


def test_interrupted_is_stop(toy: Toy) -> None:
    """SIGTERM in the middle of a launch ends its ranks and stops the bisection."""
    toy.git("checkout", "--quiet", toy.commits[0])
    mark = f"judge-{os.getpid()}"
    command = [PROGRAM, "judge-commit", SCENARIO, "--repeat", "50"]
    environment = {**os.environ, "LOCKSTEP_TEST_MARK": mark}
    running = subprocess.Popen(command, cwd=toy.path, stderr=subprocess.DEVNULL, env=environment, preexec_fn=hear_interrupts)
    assert wait_until(lambda: len(proc.with_variable("LOCKSTEP_TEST_MARK", mark)) > 3, 60)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 128 + signal.SIGTERM
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 60)


def test_git_bisect_run(tmp_path: Path) -> None:
    """`git bisect run` with it finds the planted commit."""
    toy = linear(tmp_path / "toy", 7, lambda number: SHORT if number >= 5 else CLEAN)
    toy.git("bisect", "start", toy.commits[7], toy.commits[0])
    out = toy.git("bisect", "run", PROGRAM, "judge-commit", SCENARIO)
    assert f"{toy.commits[5]} is the first bad commit" in out


@pytest.mark.usefixtures("own_handlers")
def test_its_own_checkout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lockstep that is itself part of the checkout would change with it, and judges nothing."""
    monkeypatch.chdir(Path(__file__).parents[2])
    assert guarded(["judge-commit", SCENARIO]) >= 128
