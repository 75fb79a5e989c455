"""The plan of a run, and whether a run can be continued by it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.campaign.plan import Wanted, plan_run
from lockstep.harness.campaign.resume import environment_differences, plan_differences
from lockstep.harness.campaign.shard import Shard
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.scenario.case import Case, Expectation
from lockstep.harness.scenario.errors import ScenarioError
from tests.watchdog.launch import case

HUNG = Expectation("hang", cause="deadlock")
PLANTED = replace(case("planted", 2), tags=("planted",), expect=HUNG)
CONTROL = replace(case("control", 2), tags=("control",))


def cases(count: int) -> list[Case]:
    """Cases of several sizes."""
    return [case(f"case-{number}", 1 + number % 4) for number in range(count)]


@given(st.integers(1, 25), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_shards_of_a_plan(count: int, shards: int, repeat: int, nightly: bool) -> None:
    """Over all shards each case is planned as often as asked for; planted and control cases are in each shard of a night."""
    every = [*cases(count), PLANTED, CONTROL]
    seen: list[tuple[str, int]] = []
    for index in range(1, shards + 1):
        wanted = Wanted(Shard(index, shards), nightly, repeat)
        try:
            found, said = plan_run(every, every, wanted, {}, {})
        except ScenarioError as error:
            assert "has no case" in str(error)
            continue
        mine = [(one.case.id, one.repetition) for one in found]
        if nightly:
            assert mine[:2] == [("planted", 1), ("control", 1)]
            assert [one.planted for one in found[:2]] == [True, False]
        assert any(text.startswith(f"shard {index}/{shards}: ") for text in said)
        seen += [pair for pair in mine if not (nightly and pair[0] in ("planted", "control"))]
    rest = every[:-2] if nightly else every
    assert sorted(seen) == sorted((one.id, number) for one in rest for number in range(1, repeat + 1))


def test_night_has_the_controls_whatever_was_selected() -> None:
    """A night of one case has the planted hang as well; a plain run has not, and marks none."""
    (one,) = cases(1)
    found, _ = plan_run([one], [one, PLANTED, CONTROL], Wanted(nightly=True), {}, {})
    assert [entry.case.id for entry in found] == ["planted", "control", "case-0"]
    found, _ = plan_run([one, PLANTED], [], Wanted(), {}, {})
    assert [(entry.case.id, entry.planted) for entry in found] == [("case-0", False), ("planted", False)]


def test_night_without_a_planted_hang() -> None:
    """Is refused: a control that should succeed proves nothing of hangs."""
    with pytest.raises(ScenarioError, match="tells nothing"):
        plan_run(cases(2), [*cases(2), CONTROL], Wanted(nightly=True), {}, {})


def entries(planned: list[PlannedCase]) -> list[dict[str, Any]]:
    """As run.json has them."""
    found: list[dict[str, Any]] = json.loads(json.dumps([one.to_json() for one in planned]))
    return found


def test_same_plan_does_not_differ() -> None:
    """A plan is the same after its way through the file, whatever it will cost."""
    found, _ = plan_run(cases(4), [], Wanted(repeat=2), {}, {})
    dearer, _ = plan_run(cases(4), [], Wanted(repeat=2), {"case-0": 99.0}, {})
    assert plan_differences(entries(found), dearer) == []


@pytest.mark.parametrize(
    ("now", "text"),
    [
        ([PlannedCase(case("a", 2))], "b is planned and would not be run now"),
        ([PlannedCase(case(name, 2)) for name in "abc"], "c was not planned"),
        (
            [PlannedCase(case("a", 2)), PlannedCase(case("b", 2, deadline_s=1.0))],
            "b has changed since (what its ranks get, its limits",
        ),
        (
            [PlannedCase(case("a", 2)), PlannedCase(case("b", 2), planted=True)],
            "b has another waive, or another mark as planted",
        ),
        ([PlannedCase(case("a", 2)), PlannedCase(case("b", 2), nodes=(1, 1))], "b would be dealt to hosts in another way"),
        (
            [PlannedCase(case("a", 2), engine_commit="c2"), PlannedCase(case("b", 2))],
            "a is of another commit of its engine now",
        ),
        (
            [*(PlannedCase(case(name, 2)) for name in "ab"), *(PlannedCase(case(f"x{n}", 1), 2) for n in range(7))],
            "x0, repetition 2, was not planned",
        ),
    ],
)
def test_other_plan(now: list[PlannedCase], text: str) -> None:
    """Each way in which a plan is another one is said with the case; many are counted."""
    found = plan_differences(entries([PlannedCase(case("a", 2)), PlannedCase(case("b", 2))]), now)
    assert found[0].startswith(text)
    assert len(found) == 1 or found[-1] == "and 2 more"


def test_environment() -> None:
    """Other software is another run; another host of the same kind is not."""
    then = {"commit": "a", "libraries": {"torch": "2.13.0"}, "mpi": {"launcher": "hydra", "version": "5"}, "host": "one"}
    assert environment_differences(then, {**then, "host": "two", "memory_bytes": 5}) == []
    now = {**then, "commit": "b", "libraries": {"torch": "2.14.0", "numpy": "2"}}
    assert environment_differences(then, now) == [
        "commit: a then, b now", "library numpy: none then, 2 now", "library torch: 2.13.0 then, 2.14.0 now",
    ]  # fmt: skip


def test_hosts_of_an_environment() -> None:
    """Hosts of the same kinds may have other names, and come in another order; not another library or GPU."""
    one = {"name": "a", "libraries": {"torch": "2.13.0"}, "gpus": [], "slots": 2}
    two = {**one, "name": "b", "gpus": [{"name": "H100"}]}
    then = {"hosts": [one, two]}
    assert environment_differences(then, {"hosts": [{**two, "name": "c"}, {**one, "name": "d"}]}) == []
    other = {**one, "name": "c", "libraries": {"torch": "2.14.0"}}
    assert environment_differences(then, {"hosts": [other, two]}) == [
        "hosts with gpus none, library torch 2.13.0: 1 then, 0 now",
        "hosts with gpus none, library torch 2.14.0: 0 then, 1 now",
    ]
