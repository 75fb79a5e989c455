"""The same model on every mapping: real ranks give the tokens of one rank alone; a replayed graph gives those of eager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lockstep.engines.minimal.plugin import ENGINE
from lockstep.harness.launch.discovery import find
from lockstep.harness.scenario.load import load_all
from lockstep.harness.vocabulary import Outcome
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget

pytestmark = pytest.mark.slow  # starts processes, or torch

MTP = {"config.speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 3}}


def decode(folder: Path, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The result of each rank of the base scenario with changes."""
    folder.mkdir()
    case = load_all(["tests/engine/base.yaml"], changes)[0]
    verdict = CaseSession(EngineTarget(case, ENGINE.command(case.spec)), find(), folder).watch()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert verdict.findings == ()
    return [rank.result or {} for rank in verdict.ranks]


def tokens(results: list[dict[str, Any]]) -> dict[str, list[int]]:
    """All requests' tokens, over all ranks."""
    return {request: output for result in results for request, output in result["tokens"].items()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """The tokens of one rank alone, without drafts and without graphs."""
    folder = tmp_path_factory.mktemp("alone") / "case"
    found = tokens(decode(folder, {"parallel": {"tp": 1}, "config.cuda_graph_config": None}))
    assert sorted(found) == ["0", "1", "2", "3"]
    assert {len(output) for output in found.values()} == {10}
    return found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("one rank with graphs", {"parallel": {"tp": 1}}),
        ("one rank with drafts", {"parallel": {"tp": 1}, **MTP}),
        ("TEP", {"parallel": {"tp": 4, "ep": 4}, **MTP}),
        ("DEP", {"parallel": {"tp": 4, "ep": 4, "attention_dp": True}, **MTP}),
        ("PP", {"parallel": {"pp": 2}, "device": "cpu", **MTP}),
        ("PP of DEP", {"parallel": {"tp": 2, "pp": 2, "attention_dp": True}, "device": "cpu", **MTP}),
        ("DEP with an idle rank", {"parallel": {"tp": 2, "ep": 2, "attention_dp": True}, "workload.requests": 1}),
    ],
)
def test_every_mapping_gives_the_tokens_of_one_rank(
    name: str, changes: dict[str, Any], alone: dict[str, list[int]], tmp_path: Path
) -> None:
    """Tensor and expert parallel, attention data parallel, drafts and graphs change nothing in the tokens."""
    results = decode(tmp_path / "case", changes)
    found = tokens(results)
    assert found == {request: alone[request] for request in found}
    assert len(found) == changes.get("workload.requests", 4)
    # Replays happened, and each was compared with an eager forward.
    assert all(result["replays"] > 0 for result in results)
    assert all(result["checks"]["graph_equals_eager"] for result in results)
    assert all(all(result["checks"].values()) for result in results)
