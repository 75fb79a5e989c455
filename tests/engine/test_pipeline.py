"""What pipeline stages tell each other, on stages that are threads."""

from __future__ import annotations

from typing import Any

import pytest

from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.base.requests import own_requests
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from tests.engine.support import Log, Stuck, TableDevice, ThreadCommunicator, alone, on_groups, settings

OUTPUT = StepOutput((7, 8), ((1, 2), (3, 4)))


def stage(pp: ThreadCommunicator, **changes: Any) -> Pipeline:
    """One stage of a pipeline of two."""
    mine = settings({"parallel": {"pp": 2}, "device": "cpu", **changes}, pp.rank, 2)
    return Pipeline(mine, pp, Log(), TableDevice(alone(), 0))


def test_requests_reach_every_stage() -> None:
    """What arrives at the first stage is known to all, image and all."""

    def run(pp: ThreadCommunicator) -> Any:
        pipeline = stage(pp, **{"workload.images": [1]})
        return pipeline.requests(own_requests(pipeline.settings, 0, 1) if pipeline.first else [])

    first, second = on_groups(2, ["pp"], run)
    assert first == second
    assert [request.ident for request in first] == [0, 1, 2, 3]
    assert [bool(request.image) for request in first] == [False, True, False, False]


def test_sampled_tokens_go_round() -> None:
    """Every stage gets the tokens and drafts of the last, and its reasons to stop."""

    def run(pp: ThreadCommunicator) -> Any:
        pipeline = stage(pp)
        requests = own_requests(pipeline.settings, 0, 1)[:2]
        requests[0].limit = 1
        output = pipeline.output(1, requests, OUTPUT if pipeline.last else StepOutput((0, 0), ((), ())))
        return output, [request.stopped for request in requests]

    first, last = on_groups(2, ["pp"], run)
    assert first == (OUTPUT, [True, False])
    assert last[0] == OUTPUT


def test_reasons_that_are_not_there_raise() -> None:
    """A stage that is not told of host criteria reads reasons that the last stage has left unset."""

    def run(pp: ThreadCommunicator) -> Any:
        pipeline = stage(pp, **{"guards.stop_criteria": "host-unmarked"})
        return pipeline.output(1, own_requests(pipeline.settings, 0, 1)[:2], OUTPUT)

    first, last = on_groups(2, ["pp"], run)
    assert isinstance(first, TypeError)
    assert last == OUTPUT


def test_the_first_stage_schedules() -> None:
    """A follower starts what the first stage has scheduled, waiting for room; an own schedule tells nobody."""

    def run(pp: ThreadCommunicator) -> Any:
        pipeline = stage(pp)
        requests = own_requests(pipeline.settings, 0, 1)
        started: list[int] = []
        tries = iter([False, False, *[True] * 9])

        def start(ident: int) -> bool:
            if not next(tries):
                return False
            started.append(ident)
            return True

        pipeline.schedule(1, requests[:2] if pipeline.first else [], start)
        return started

    assert on_groups(2, ["pp"], run) == [[], [0, 1]]


@pytest.mark.parametrize("operations", [[], ["experts"]])
@pytest.mark.parametrize("habit", ["in-forward", "after"])
def test_tuning_results_reach_a_stage_that_tunes_nothing(habit: str, operations: list[str]) -> None:
    """After the forward each stage takes over what was found; inside, only one that tunes something does."""

    def run(pp: ThreadCommunicator) -> Any:
        mine = settings({"parallel": {"pp": 2}, "device": "cpu", "guards.cache_hand_off": habit}, pp.rank, 2)
        hand_off = CacheHandOff(mine, pp, Log())
        with hand_off.tuned():
            for operation in ["attention"] if pp.rank == 0 else operations:
                hand_off.choose_one(operation)
        return sorted(hand_off.cache)

    first, second = on_groups(2, ["pp"], run)
    assert first == ["attention"]
    assert second == ([] if habit == "in-forward" and not operations else ["attention", *operations])


def test_a_failed_forward_does_not_wait_for_tuning_results() -> None:
    """Only a hand-over that always runs waits after an error, which is then not seen."""

    def run(habit: str) -> Any:
        def failing(pp: ThreadCommunicator) -> None:
            mine = settings({"parallel": {"pp": 2}, "device": "cpu", "guards.cache_hand_off": habit}, pp.rank, 2)
            if pp.rank == 1:
                with CacheHandOff(mine, pp, Log()).tuned():
                    raise ValueError

        return on_groups(2, ["pp"], failing, stuck_s=0.5)[1]

    assert isinstance(run("after"), ValueError)
    assert isinstance(run("always"), Stuck)
