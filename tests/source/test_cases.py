"""`engine: source` as a user runs it: real ranks, verdicts, what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.load import load
from tests.campaign.test_command_line import lockstep
from tests.source.trees import ALONE, ENGINE, TOGETHER, engine_tree, runner_tree

BASE = Path("tests/source/base.yaml")
SHIPPED = Path("scenarios/source/trtllm-generation-capture.yaml")


def run(tree: Path, reports: Path, code: int) -> dict[str, Any]:
    """The verdict on the base scenario with a tree."""
    words = ("--device", "cpu", "--reports", str(reports), "--run-id", "one", "--set", f"config.tree={tree}")
    lockstep("run", str(BASE), *words, check=code)
    verdict: dict[str, Any] = json.loads(next(reports.glob("one/cases/*/verdict.json")).read_text())
    return verdict


def test_a_hang_is_proved_and_blamed_on_the_tree_s_line(tmp_path: Path) -> None:
    """Two real ranks: the short one is blamed, with the place in the tree; its stack shows the tree's lines."""
    verdict = run(engine_tree(tmp_path / "tree", ALONE), tmp_path / "reports", 1)
    assert (verdict["outcome"], verdict["cause"], verdict["proved"]) == ("hang", "deadlock", True)
    blame = verdict["blame"]
    assert (blame["ranks"], blame["site"], blame["phase"]) == ([1], "generation_capture.request", "generation_capture")
    assert "free_blocks=6 needed_blocks=8" in blame["detail"]
    assert f"at={ENGINE}:" in blame["detail"]
    stack = next((tmp_path / "reports").glob("one/cases/*/stacks/rank-0.txt")).read_text()
    assert "_capture_generation_cuda_graphs" in stack


def test_a_success_is_checked(tmp_path: Path) -> None:
    """The later layout, whose ranks skip together: captured, decoded with the graphs, compared with eager."""
    verdict = run(runner_tree(tmp_path / "tree", TOGETHER), tmp_path / "reports", 0)
    assert verdict["outcome"] == "success"
    assert verdict["ranks"][0]["result"]["skipped"] == {"generation_capture": [8]}
    assert verdict["ranks"][0]["result"]["replays"] > 0
    assert not {finding["kind"] for finding in verdict["findings"]} & {"wrong-result", "leak", "mispaired"}


def test_what_is_missing_is_invalid(tmp_path: Path) -> None:
    """Never good, never bad: the verdict names what is missing, and where."""
    verdict = run(engine_tree(tmp_path / "tree", TOGETHER, "manager.enable_new_thing"), tmp_path / "reports", 3)
    assert (verdict["outcome"], verdict["cause"], verdict["blame"]) == ("invalid", "scenario", None)
    assert f"missing name KVCacheManager.enable_new_thing at {ENGINE}:" in verdict["text"]
    assert "unable" in {rank["status"] for rank in verdict["ranks"]}


def test_without_a_tree_the_case_is_left_out_with_a_word() -> None:
    """`list` shows it; a run of it and of others runs the others; a run of it alone says what to give."""
    assert "trtllm-generation-capture" in lockstep("list", str(SHIPPED), check=0).stdout
    done = lockstep("run", str(SHIPPED), check=3)
    assert "1 of 1 cases are left out: config.tree is not set; give a TensorRT-LLM checkout by --set" in done.stderr


def test_the_tree_is_relative_to_the_scenario(tmp_path: Path) -> None:
    """As other paths in files are; an absolute one is taken as it is."""
    engine_tree(tmp_path / "upstream")
    path = tmp_path / "below" / "a.yaml"
    path.parent.mkdir()
    path.write_text(BASE.read_text())
    (case,) = load(path, {"config.tree": "../upstream"})
    assert case.spec["config"]["tree"] == str(tmp_path / "upstream")
    (case,) = load(path, {"config.tree": str(tmp_path / "upstream")})
    assert case.spec["config"]["tree"] == str(tmp_path / "upstream")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"config.tree": "nowhere"}, "--set config.tree: there is no folder"),
        ({"config.tree": 3}, "--set config.tree: input should be a valid string, got 3"),
        ({"guards": {"general": "assert"}}, "--set guards: general: unknown key; none is allowed here"),
    ],
)
def test_mistakes(changes: dict[str, Any], wanted: str) -> None:
    """They are found before anything is launched, with their place: the option that brought them."""
    with pytest.raises(FileErrors) as caught:
        load(BASE, changes)
    assert str(caught.value).startswith(wanted)
