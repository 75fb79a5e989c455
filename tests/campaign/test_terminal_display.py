"""A run at a real terminal: how it stands, who waits for whom, what was not as expected; and a log without any of that."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.attach.launch import BIN
from tests.attach.test_command_line import PATH
from tests.attach.test_interruption import UNPROVED
from tests.attach.test_peek import SCENARIO
from tests.campaign.screen import in_terminal

ROOT = Path(__file__).parents[2]
FAILING = "tests/campaign/failing.yaml"


@pytest.mark.timeout(500)
@pytest.mark.parametrize("columns", [80, 44])
def test_while_it_goes_on(columns: int, tmp_path: Path) -> None:
    """How it stands is the first row and whole; each case in flight says where its ranks are, and who waits for whom."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    (tmp_path / "two.yaml").write_text(SCENARIO)
    standing = re.compile(r"^0 of 2 judged, 2 running, \d:\d\d$", re.MULTILINE)
    waits = re.compile(
        r"^two-hangs.*\n  rank 0 in gloo world recv #1 for rank 1$(?s:.*)^two-hangs.*\n  rank 0 in", re.MULTILINE
    )
    words = [str(BIN / "lockstep"), "run", "two.yaml", "--jobs", "2"]
    with in_terminal(words, tmp_path, PATH, columns, (standing, waits)) as (command, terminal):
        assert terminal.await_all(command, 240.0), terminal.screen.text()
        command.send_signal(signal.SIGTERM)
        assert command.wait(200) == 128 + signal.SIGTERM
    text = terminal.screen.text()
    assert not standing.search(text)  # nothing of it stays
    assert not terminal.screen.coloured


@pytest.mark.timeout(500)
def test_a_program(tmp_path: Path) -> None:
    """Of a program too, below what it has printed, and gone when it has ended."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    waits = re.compile(r"up\nup\nrunning, \d:\d\d\n  rank 0 in gloo world recv #1 for rank 1\Z")
    words = [str(BIN / "lockstep"), "watch", "-n", "2", "--", "python", "unproved.py"]
    with in_terminal(words, tmp_path, PATH, 80, (waits,)) as (command, terminal):
        assert terminal.await_all(command, 240.0), terminal.screen.text()
        command.send_signal(signal.SIGINT)
        assert command.wait(200) == 128 + signal.SIGINT
    text = terminal.screen.text()
    assert text.count("lockstep: invalid (interrupted): ") == 1
    assert "lockstep: Ctrl-C: gathering" in text


@pytest.mark.timeout(300)
def test_at_the_end(tmp_path: Path) -> None:
    """A case that is not as expected says so with expected against got, its sentence, and its command in one piece."""
    words = [str(BIN / "lockstep"), "run", FAILING, "--device", "cpu", "--reports", str(tmp_path)]
    with in_terminal(words, ROOT, PATH, 80, ()) as (command, terminal):
        assert command.wait(250) == 1
    written = terminal.written.decode()
    assert re.search(r"^NOT AS EXPECTED +\S+", written, re.MULTILINE)
    assert "outcome: expected" in written
    assert "again: lockstep run tests/campaign/failing.yaml --case" in written
    assert not terminal.screen.coloured


@pytest.mark.timeout(300)
def test_in_a_log(tmp_path: Path) -> None:
    """Nothing is drawn and no line comes twice where nobody sits."""
    words = [str(BIN / "lockstep"), "run", FAILING, "--device", "cpu", "--reports", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(said) == len(set(said))
    assert not re.search(r"\d+ of \d+ judged", done.stderr)
