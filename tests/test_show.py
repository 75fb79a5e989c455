"""`lockstep show`: what a case is, without what it leaves as it is; everything on demand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lockstep.harness import cli

ROOT = Path(__file__).parents[1]


def shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command prints."""
    assert cli.main(["show", *words]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenarios are found by name."""
    monkeypatch.chdir(ROOT)


def test_what_differs_and_what_it_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys of the file at this point, with what --set sets; blocks of each rank; the fault; what is expected."""
    found = shown(["slow-rank", "-k", "delay-2", "--set", "kv_capacity={fraction: [0.5, 0.5, 0.25, 0.5]}"], capsys)
    rows = [row.strip() for row in found.splitlines()]
    assert rows[0] == "slow-rank[faults=delay-2-autotuner]: 4 ranks"
    assert "kv_capacity: {fraction: [0.5, 0.5, 0.25, 0.5]}" in rows
    assert "fault: delay of rank 2 in autotuner for 20 s" in rows
    assert "expected: {outcome: success}" in rows
    (blocks,) = (row for row in rows if row.startswith("blocks: "))
    assert blocks.startswith("blocks: 32 on ranks 0, 1, 3; 16 on rank 2; a block is 32 tokens, 32768 bytes")
    assert len(rows) <= 15
    assert "livelock_s" not in found


def test_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """`--full` has all defaults, as YAML; `--json` the same."""
    words = ["slow-rank", "-k", "delay-2"]
    whole = yaml.safe_load(shown([*words, "--full"], capsys))
    raw = json.loads(shown([*words, "--json"], capsys))
    assert whole["limits"]["livelock_s"] == raw["limits"]["livelock_s"] == 60.0
    assert whole["spec"] == raw["spec"]


def test_drawn_delays(capsys: pytest.CaptureFixture[str]) -> None:
    """Faults that a seed has drawn are told like those that stand in the file."""
    assert "fault: delay of rank 0 in " in shown(["random-skew"], capsys)


def test_every_shipped_case(capsys: pytest.CaptureFixture[str]) -> None:
    """Each has a summary of its own that says what is expected of it."""
    found = shown(["scenarios/control", "scenarios/command", "scenarios/verl"], capsys)
    assert found.count("\n  expected: {outcome: ") == found.count(" ranks\n  ") > 10
