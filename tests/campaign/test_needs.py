"""Cases that lack something are left out of a run, with a word."""

from __future__ import annotations

import pytest

from lockstep.harness.campaign.needs import complete
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.scenario.load import load_all

MINIMAL = load_all(["scenarios/tensorrt_llm/max-batch-size-1.yaml"])
SOURCE = load_all(["scenarios/source/trtllm-generation-capture.yaml"])


def test_the_others_run() -> None:
    """What is left out is counted, with what to do about it."""
    kept, said = complete([*MINIMAL, *SOURCE])
    assert kept == MINIMAL
    assert said == [
        f"1 of {len(MINIMAL) + 1} cases are left out: config.tree is not set; "
        "give a TensorRT-LLM checkout by --set config.tree=PATH"
    ]
    assert complete(MINIMAL) == (MINIMAL, [])


def test_a_run_of_nothing_is_refused() -> None:
    """It does not end green."""
    with pytest.raises(LaunchError, match="1 of 1 cases are left out"):
        complete(SOURCE)
