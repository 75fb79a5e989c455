"""The output pump: everything that is printed comes once, in order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from lockstep.harness.supervisor.output_pump import OutputPump

SECOND_STAGE = "import os; print('before', flush=True); os.execvp('echo', ['echo', 'after'])"


@pytest.fixture
def pump() -> Iterator[OutputPump]:
    """Of one stream, which is closed."""
    made = OutputPump(1)
    yield made
    made.files[0].close()


def printed(pump: OutputPump) -> bytes:
    """What is new."""
    return b"".join(chunk for _, chunk in pump.new())


def test_a_second_stage_goes_on_where_the_first_ended(pump: OutputPump) -> None:
    """What a process prints before and after it becomes another program comes once each."""
    subprocess.run([sys.executable, "-c", SECOND_STAGE], stdout=pump.files[0], check=True)
    assert printed(pump) == b"before\nafter\n"
    assert printed(pump) == b""


def test_what_is_printed_after_somebody_cut_the_output(pump: OutputPump) -> None:
    """A program that opens /dev/stdout for writing cuts it: what comes after is told, without a hole before it."""
    subprocess.run(["sh", "-c", "echo a long line before"], stdout=pump.files[0], check=True)
    assert printed(pump) == b"a long line before\n"
    subprocess.run(["sh", "-c", "echo cut > /dev/stdout; echo after"], stdout=pump.files[0], check=True)
    assert printed(pump) == b"cut\nafter\n"
