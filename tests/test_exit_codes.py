"""What a script is told when a command ends before its time: never 0, and never 1, which tells of a verdict."""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lockstep.harness import cli, unforeseen
from lockstep.harness.commands import bisect as bisect_command
from lockstep.harness.commands import history, judge_commit, scenarios
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.stop_signals import Stopped

LOCKSTEP = Path(sys.executable).with_name("lockstep")


@pytest.fixture(autouse=True)
def traces_in_the_tests_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fault that is made here on purpose leaves its trace with the test's own files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def ends_with(error: BaseException, words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command that ends with an exception."""

    def raise_it(arguments: argparse.Namespace) -> int:
        raise error

    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.set_defaults(run=raise_it)
    monkeypatch.setattr(cli, "parser", lambda *names: parser)
    monkeypatch.setattr(cli, "_write_no_more", lambda: None)
    return cli.main(words)


def test_fault_of_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An exception that nobody foresaw is exit code 3 with one sentence; the trace is in a file."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ends_with(KeyError(3), ["run"], monkeypatch) == 3
    said = capsys.readouterr().err
    (trace,) = tmp_path.iterdir()
    assert said == f"lockstep: KeyError: 3; this is a fault of Lockstep, please report it with {trace}\n"
    assert "Traceback" in trace.read_text()
    assert "raise error" in trace.read_text()


def test_fault_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without room for a file the trace is printed, and the code is the same."""
    monkeypatch.setattr("tempfile.tempdir", "/no-such-folder")
    assert ends_with(ZeroDivisionError("x"), ["run"], monkeypatch) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "given.yaml"), 2),
        (PermissionError(errno.EACCES, "Permission denied", "given.yaml"), 2),
        (FileExistsError(errno.EEXIST, "File exists", "reports/runs/monday"), 2),
        (FileNotFoundError(errno.ENOENT, "No such file", "/lost/in/between"), 3),
        (OSError(errno.ENOSPC, "No space left on device"), 3),
        (OSError(errno.ENOSPC, "No space left on device", "given.yaml"), 3),
        (ScenarioError("said"), 2),
        (ValueError("not an input's"), 3),
    ],
)
def test_errors_of_the_machine(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that the user has named is a mistake of the input; a full disk, or one that was lost in between, is none."""
    assert ends_with(error, ["run", "given.yaml"], monkeypatch) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no fault of Lockstep: the module, the interpreter and what to do are told."""
    assert ends_with(ModuleNotFoundError("No module named 'rich'", name="rich"), ["run"], monkeypatch) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"lockstep: no module rich in {sys.executable}; `make env` installs")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "watch", "compare", "report", "bisect", "diagnose", "doctor"])
def test_broken_pipe_turns_nothing_green(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command whose exit code says something does not end with 0 when nobody reads it any more."""
    assert ends_with(BrokenPipeError(), [command], monkeypatch) == 141


def test_readers_may_be_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only shows ends well when its reader has seen enough; these are commands that are there."""
    every = argparse.ArgumentParser().add_subparsers()
    for module in (scenarios, history):
        module.add(every)
    assert {"list", "show", "history"} <= set(every.choices)
    for command in cli.READERS:
        assert ends_with(BrokenPipeError(), [command], monkeypatch) == 0


@pytest.mark.parametrize(("words", "code"), [(["list"], 0), (["compare", "old", "new"], 141)])
def test_real_pipe(words: list[str], code: int, tmp_path: Path) -> None:
    """With a pipe that nobody reads: also what is still in Python's buffers at the end."""
    if words[0] == "compare":
        from tests.report.samples import NAMES, case, hang, store

        for name in ("old", "new"):
            run = store(tmp_path / name)
            run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
        words = [
            "compare",
            *(str(next(path for path in (tmp_path / name).iterdir() if path.name != "latest")) for name in words[1:]),
        ]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([LOCKSTEP, *words], stdout=write, stderr=subprocess.PIPE, text=True, timeout=110, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    "words", [["events", "."], ["events", "nofile"], ["events", "text"], ["report", "."], ["compare", "a", "b"]]
)
def test_mistakes_are_exit_code_2(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no event log and no run is said in a sentence."""
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("no event log")
    assert cli.main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_closed_stderr_costs_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence goes where it can; the code stays."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert unforeseen.told(KeyError(1), []) == 3


@pytest.mark.parametrize("module", [bisect_command, judge_commit])
def test_a_signal_is_told_by_the_exit_code(module: ModuleType) -> None:
    """128 and the signal, as of every command."""
    with pytest.raises(Stopped) as caught:
        module._interrupt(signal.SIGTERM, None)
    assert caught.value.exit_code == 143
