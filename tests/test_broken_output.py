"""What commands do whose output cannot be written: a full device, a closed stream, a pipe that nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKSTEP = str(Path(sys.executable).with_name("lockstep"))
FULL = "lockstep: standard output: No space left on device\n"
CLOSED = "lockstep: standard output: Bad file descriptor\n"
SHOWN = ["--version", "list slow-rank", "run --help", "judge-commit --help"]


def said(words: str, redirection: str, tmp_path: Path, buffered: bool = True) -> tuple[int, str]:
    """Exit code and stderr of a command whose streams a shell has redirected."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    line = f"{LOCKSTEP!r} {words} {redirection}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", SHOWN)
def test_a_full_device(words: str, tmp_path: Path) -> None:
    """It is said in one sentence, with an exit code that is no verdict, whether or not Python keeps what is printed for a
    while."""
    code = 128 if words.startswith("judge-commit") else 3
    assert said(words, "> /dev/full", tmp_path) == (code, FULL)
    assert said(words, "> /dev/full", tmp_path, buffered=False) == (code, FULL)


@pytest.mark.parametrize("words", SHOWN[:2])
def test_a_closed_stream(words: str, tmp_path: Path) -> None:
    """The same is said of a standard output that was closed before."""
    assert said(words, ">&-", tmp_path) == (3, CLOSED)


@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_a_mistake_that_nobody_can_be_told(redirection: str, tmp_path: Path) -> None:
    """Its exit code stays that of a mistake, whatever becomes of the sentence; nothing of it comes to stdout instead."""
    assert said("run nosuch", f"{redirection} > out", tmp_path)[0] == 2
    assert said("run --nosuch", f"{redirection} > out", tmp_path)[0] == 2
    assert (tmp_path / "out").read_text() == ""


def test_a_reader_that_has_gone(tmp_path: Path) -> None:
    """Who only shows ends well; a mistake is still one, or what a shell shows of a pipe that has ended a command."""
    gone = "2>&1 | (exec <&-; sleep 1); exit ${PIPESTATUS[0]}"
    assert said("list slow-rank", gone, tmp_path) == (0, "")
    assert said("--help", gone, tmp_path) == (0, "")
    assert said("run nosuch", gone, tmp_path)[0] in (2, 141)


def test_a_watched_program_whose_output_is_lost(tmp_path: Path) -> None:
    """The verdict is kept and said, and the command does not end as if all were well; without stderr only that is lost."""
    code, text = said("watch --reports runs -- echo hi", "> /dev/full", tmp_path)
    assert code == 3
    assert text.startswith("lockstep: success: ")
    assert "lockstep: standard output: No space left on device; what the program printed is in runs/" in text
    assert said("watch --reports runs -- echo hi", "2> /dev/full", tmp_path) == (0, "")
    assert said("watch --reports runs -- false", "> /dev/full 2>&-", tmp_path) == (1, "")
