"""Where `--output` says that a report goes: into a file whole, into a pipe or through a link as it comes."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from lockstep.harness.cli import main

from .samples import judged_run

pytestmark = pytest.mark.timeout(60)  # what hangs here would wait for ever


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of one case, `a`, that was judged."""
    return judged_run(tmp_path / "runs")


def test_output_into_a_pipe(run: Path, tmp_path: Path) -> None:
    """The report goes into it, and it stays a pipe."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main(["report", str(run), "--format", "json", "--output", str(pipe)]) == 0
    reader.join()
    assert json.loads(found[0])["case"] == "a"
    assert pipe.is_fifo()


@pytest.mark.parametrize("there", [True, False])
def test_output_through_a_link(there: bool, run: Path, tmp_path: Path) -> None:
    """The report goes into the file that it names, and it stays a link; a file is replaced whole."""
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to("target")
    if there:
        target.write_text("x" * 1_000_000)
    for output in (link, target):
        assert main(["report", str(run), "--format", "json", "--output", str(output)]) == 0
        assert json.loads(target.read_text())["case"] == "a"
    assert link.is_symlink()
