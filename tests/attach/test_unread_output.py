"""Output that nobody reads: it costs no verdict, keeps no process, and is there for who reads it late."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lockstep.harness.commands import output_writer
from lockstep.harness.commands.output_writer import MEMORY_BYTES, OutputWriter
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.process_tree import descendants
from lockstep.harness.report.schema import read_verdict
from tests.attach.launch import BIN, python
from tests.attach.test_command_line import PATH

MUCH = 300_000  # bytes: more than a pipe holds
CODE = f"import os; [os.write(1, b'x' * 999 + b'\\n') for _ in range({MUCH // 1000})]"


def started(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """`lockstep watch`, with all that it prints going to one pipe."""
    command = [str(BIN / "lockstep"), "watch", "--run-id", "r", "--", *words]
    env = {**os.environ, **PATH}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.timeout(200)
def test_a_hang_behind_a_full_pipe(tmp_path: Path) -> None:
    """The verdict is written and the program ended while nobody reads; who comes late gets all of the output."""
    found = started(python("programs/waiting.py", "full"), tmp_path)
    cases = tmp_path / "reports/runs/r/cases"
    assert wait_until(lambda: any(cases.glob("*/verdict.json")), 100)
    assert wait_until(lambda: not descendants(found.pid), 60)
    (verdict,) = cases.glob("*/verdict.json")
    assert read_verdict(verdict.read_bytes()).outcome.value == "hang"
    assert found.poll() is None
    told, _ = found.communicate(timeout=100)
    assert found.returncode == 1
    assert told.count(b"x") >= MUCH
    assert b"lockstep: hang (deadlock" in told


@pytest.mark.timeout(200)
def test_a_slow_reader_gets_all_of_a_success(tmp_path: Path) -> None:
    """A program that has ended in order is a success, and its reader has all the time that it takes."""
    found = started(["python", "-c", CODE], tmp_path)
    time.sleep(6)
    told, _ = found.communicate(timeout=100)
    assert found.returncode == 0
    assert told.count(b"x") >= MUCH // 1000 * 999
    assert b"lockstep: success" in told


def test_what_is_kept_for_a_reader_is_all_there() -> None:
    """In order, whatever of it was kept in memory or in a file; a reader that has gone costs nothing."""
    reading, writing = os.pipe()
    saved = os.dup(1)
    os.dup2(writing, 1)
    try:
        writer = OutputWriter()
        pieces = [bytes([number % 251]) * (MEMORY_BYTES // 5 + number) for number in range(12)]
        for piece in pieces:
            writer.write(1, piece)
        assert writer.drain(0.1) > MEMORY_BYTES
        read: list[bytes] = []
        wanted = sum(map(len, pieces))

        def take() -> None:
            while sum(map(len, read)) < wanted:
                read.append(os.read(reading, 1 << 20))

        thread = threading.Thread(target=take)
        thread.start()
        assert writer.drain(20.0) == 0
        thread.join()
        assert b"".join(read) == b"".join(pieces)
        os.close(reading)
        writer.write(1, bytes(MUCH))
        assert writer.drain(20.0) == 0
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writing)


def test_who_is_very_far_ahead_of_its_reader_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all that a program prints for a slow reader is kept: no disk is filled by it."""
    monkeypatch.setattr(output_writer, "MOST_BYTES", 3 * MUCH)
    reading, writing = os.pipe()
    saved = os.dup(1)
    os.dup2(writing, 1)
    try:
        writer = OutputWriter()

        def give() -> None:
            for _ in range(9):
                writer.write(1, bytes(MUCH))

        thread = threading.Thread(target=give, daemon=True)
        thread.start()
        assert wait_until(lambda: writer.drain(0.01) > 2 * MUCH, 20.0)
        thread.join(0.2)
        assert thread.is_alive()
        read = 0
        while read < 9 * MUCH:
            read += len(os.read(reading, 1 << 20))
        thread.join(20.0)
        assert not thread.is_alive()
    finally:
        os.dup2(saved, 1)
        for descriptor in (saved, writing, reading):
            os.close(descriptor)
