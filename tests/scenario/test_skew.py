"""Skew: the same seed draws the same, and every draw is in the spec that a case runs with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.minimal.spec.sections import Sections
from lockstep.harness.scenario.load import load
from lockstep.harness.scenario.skew import faults, record
from tests.scenario.support import GOOD, changed, problems, write

PHASES = ("init", "general", "decode")
SKEWS = st.fixed_dictionaries(
    {"seed": st.integers(0, 2**40), "seconds": st.just([0.5, 2.0])},
    optional={"share": st.just(0.5), "phases": st.just(["decode"]), "shapes": st.just(["step=2", "step=4"])},
)


def frame(skew: dict[str, Any] | None, named: list[dict[str, Any]] | None = None) -> Sections:
    """The sections of an engine with these two."""
    return Sections.model_validate({"kv_capacity": {"blocks": 1}, "skew": skew, "faults": named or []})


@given(SKEWS, st.integers(1, 6))
def test_the_same_seed_draws_the_same(skew: dict[str, Any], ranks: int) -> None:
    """Twice the same delays, all within their range, one for each place at most, and none lost when ranks are added."""
    drawn = faults(frame(skew), ranks, PHASES)
    assert drawn == faults(frame(skew), ranks, PHASES)
    assert all(0.5 <= fault["seconds"] <= 2.0 and fault["kind"] == "delay" for fault in drawn)
    places = [(fault["rank"], fault["phase"], fault["shape"]) for fault in drawn]
    assert len(set(places)) == len(places)
    if "share" not in skew:
        assert len(places) == ranks * len(skew.get("phases", PHASES)) * len(skew.get("shapes", [None]))
    assert drawn == [fault for fault in faults(frame(skew), ranks + 1, PHASES) if fault["rank"] < ranks]


def test_another_seed_draws_otherwise() -> None:
    """Of ten seeds no two draw the same delays."""
    assert len({str(faults(frame({"seed": n, "seconds": [0, 1]}), 2, PHASES)) for n in range(10)}) == 10


def test_a_fault_on_any_rank() -> None:
    """Its rank is drawn from the seed, each rank is once, and the record says which."""
    named: list[dict[str, Any]] = [
        {"kind": "kill", "rank": "any", "phase": "decode"},
        {"kind": "kill", "rank": 2, "phase": "decode"},
    ]
    ranks = set()
    for seed in range(40):
        whole = frame({"seed": seed}, named)
        drawn, fixed = faults(whole, 4, PHASES)
        assert fixed["rank"] == 2
        assert record(whole, [drawn, fixed]) == {
            "seed": seed,
            "drawn": [{"kind": "kill", "rank": drawn["rank"], "phase": "decode"}],
        }
        ranks.add(drawn["rank"])
    assert ranks == {0, 1, 2, 3}


def test_nothing_drawn_is_nothing_recorded() -> None:
    """A scenario without skew has no seed."""
    assert record(frame(None), []) is None


def test_the_spec_has_what_was_drawn(tmp_path: Path) -> None:
    """Ranks and verdict get the same delays."""
    (case,) = load(write(tmp_path, GOOD + "skew: {seed: 5, seconds: [0.1, 0.2], phases: [decode], ranks: [1]}\n"))
    (fault,) = case.spec["faults"]
    assert case.spec["skew"]["seed"] == 5
    assert case.spec["skew"]["drawn"] == [{key: fault[key] for key in ("kind", "rank", "phase", "seconds")}]


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ("{seconds: [2, 1]}", "a.yaml:11:17: skew.seconds: the least is more than the most; give [least, most]"),
        ("{seconds: [0, 1], ranks: [7]}", "a.yaml:11:33: skew.ranks[0]: there is no rank 7; ranks are 0 to 1"),
        ("{seed: -1}", "a.yaml:11:14: skew.seed: input should be greater than or equal to 0, got -1"),
    ],
)
def test_what_cannot_be(section: str, error: str, tmp_path: Path) -> None:
    """Each mistake with its place."""
    assert problems(write(tmp_path, changed() + f"skew: {section}\n")) == [error]


def test_an_unknown_phase(tmp_path: Path) -> None:
    """A phase that no engine has is refused."""
    (line,) = problems(write(tmp_path, GOOD + "skew: {seconds: [0, 1], phases: [warmup]}\n"))
    assert "skew.phases[0]: unknown phase 'warmup'; there are init," in line
