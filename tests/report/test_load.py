"""Runs as frames, and the page of documentation that shows them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lockstep.harness.report import load

from .page_samples import case_folder

PAGE = Path(__file__).parents[2] / "docs" / "frames.md"


def test_frames_of_a_case(tmp_path: Path) -> None:
    """Decisions have their parts, waits their ends; what never ended has none; all ranks are on one clock."""
    run, folder = case_folder(tmp_path, 3)
    assert list(load.cases(run.path).outcome) == ["hang"]
    assert load.case_folder(run.path, "capture") == folder
    events = load.events(folder)
    assert list(events.columns) == list(load.EVENTS)
    assert events.time_s.is_monotonic_increasing
    decisions = load.decisions(folder)
    assert list(decisions.columns) == list(load.DECISIONS)
    by_rank = decisions.set_index("rank")
    assert dict(by_rank.choice) == {0: "run", 1: "none", 2: "run"}
    assert by_rank.detail[1] == "free_blocks=24 needed_blocks=32"
    assert dict(by_rank.deviates) == {0: False, 1: True, 2: False}
    assert set(decisions.site + " " + decisions.key) == {"capture.request bs=32"}
    waits = load.waits(folder)
    assert list(waits.columns) == list(load.WAITS)
    assert len(waits) == 3 * 4
    never = waits[waits.end_s.isna()].set_index("rank")
    assert dict(never.op) == {0: "allgather", 1: "barrier", 2: "allgather"}
    ended = waits[waits.end_s.notna()]
    assert (ended.seconds >= 0).all()
    assert ((ended.end_s - ended.begin_s - ended.seconds).abs() < 1e-9).all()
    assert set(waits.library) == {"mpi"}


def test_frames_of_nothing(tmp_path: Path) -> None:
    """A case without event logs has empty frames with all their columns."""
    _, folder = case_folder(tmp_path, 2, logged=0)
    for make, columns in ((load.events, load.EVENTS), (load.decisions, load.DECISIONS), (load.waits, load.WAITS)):
        frame = make(folder)
        assert isinstance(frame, pd.DataFrame)
        assert list(frame.columns) == list(columns)
        assert frame.empty


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of docs/frames.md run as they stand there, one after the other, and answer their questions."""
    run, _ = case_folder(tmp_path / "made", 4)
    shutil.copytree(run.path, tmp_path / "reports" / "runs" / "latest")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    said = capsys.readouterr().out
    for words in ("deadlock", "free_blocks=24 needed_blocks=32", "barrier", "mpi"):
        assert words in said


def test_every_column_is_documented() -> None:
    """docs/frames.md names each column of each frame."""
    text = PAGE.read_text()
    for name in {*load.EVENTS, *load.DECISIONS, *load.WAITS}:
        assert f"`{name}`" in text, name
