"""What other tools say of the same hang. Pure."""

from __future__ import annotations

from typing import Any

from lockstep.harness.judge.opinions import flight_opinion, opinions, ras_opinion
from lockstep.harness.judge.verdict import Blame

PIDS = {40: 0, 41: 1, 42: 2}


def blamed(*ranks: int) -> Blame:
    """A verdict's."""
    return Blame(ranks, "collective", "", site="")


def communicator(*counts: int, unmade: tuple[int, ...] = (), missing: tuple[int, ...] = ()) -> dict[str, Any]:
    """As RAS tells one: how many all_reduces each of its ranks has launched."""
    ranks = [
        {"rank": at, "pid": 40 + at, "collective_counts": {"AllReduce": count, "Broadcast": 0},
         "status": {"init_state": 7 if at in unmade else 0}}
        for at, count in enumerate(counts)
    ]  # fmt: skip
    return {"size": len(counts), "ranks": ranks, "missing_ranks": [{"rank": at, "pid": 40 + at} for at in missing]}


def test_ras_points_to_who_has_launched_fewest() -> None:
    """Where counts differ; it agrees with the verdict that blames the same."""
    told = ras_opinion({"communicators": [communicator(5, 4, 5)]}, PIDS, blamed(1))
    assert told is not None
    assert told.facts == {"tool": "NCCL RAS", "ranks": [1], "agrees": True}
    assert told.text == (
        "NCCL RAS: communicator of 3: AllReduce 5 on ranks 0,2; AllReduce 4 on rank 1 (it points to the blamed ranks too)"
    )
    other = ras_opinion({"communicators": [communicator(5, 4, 5)]}, PIDS, blamed(2))
    assert other is not None
    assert other.text.endswith("(it points to rank 1, the verdict does not)")
    same = ras_opinion({"communicators": [communicator(5, 5)]}, PIDS, None)
    assert same is not None
    assert same.text.endswith("AllReduce 5 on ranks 0-1 (it tells no rank apart)")
    assert ras_opinion({"communicators": [communicator(0, 0)]}, PIDS, None).text.count("no collective counted") == 1  # type: ignore[union-attr]
    assert ras_opinion({}, PIDS, None) is None


def test_ras_points_to_who_is_not_there() -> None:
    """Who does not answer, and who is not initialised where others are."""

    def named(told: dict[str, Any]) -> list[int]:
        found = ras_opinion({"communicators": [told]}, PIDS, None)
        assert found is not None
        return list(found.facts["ranks"])

    assert named(communicator(5, 5, missing=(2,))) == [2]
    assert named(communicator(5, 5, 5, unmade=(0,))) == [0]
    assert named(communicator(5, 5, unmade=(0, 1))) == []


def dump(*entries: tuple[str, int, str]) -> dict[str, Any]:
    """A rank's Flight Recorder: group, number and state of its collectives."""
    return {
        "pg_config": {"0": {}, "1": {}, "": {}},
        "entries": [
            {"process_group": [group, "x"], "collective_seq_id": number, "state": state, "profiling_name": "nccl:all_reduce"}
            for group, number, state in entries
        ],
    }


def test_the_flight_recorder_points_to_who_has_handed_over_fewest() -> None:
    """Of each group the last; a member without entries has handed over none."""
    dumps = {0: dump(("0", 3, "completed"), ("0", 4, "scheduled")), 1: dump(("0", 3, "completed"))}
    told = flight_opinion(dumps, blamed(1))
    assert told is not None
    assert told.facts["ranks"] == [1]
    assert "group 0: nccl:all_reduce #4 scheduled on rank 0; nccl:all_reduce #3 completed on rank 1" in told.text
    assert "group 1: nothing on ranks 0-1" in told.text
    assert flight_opinion({0: dumps[0], 1: dump()}, None).facts["ranks"] == [1]  # type: ignore[union-attr]
    assert flight_opinion({}, None) is None


def test_what_is_no_dump_has_no_opinion() -> None:
    """And costs the other tool nothing."""
    dumps = {0: dump(("0", 1, "x")), 1: dump(("0", 1, "x"))}
    assert [one.facts["tool"] for one in opinions({"communicators": 7}, dumps, PIDS, None)] == ["PyTorch's Flight Recorder"]
    assert [
        one.facts["tool"] for one in opinions({"communicators": [communicator(1)]}, {0: {"entries": 7}}, PIDS, None)
    ] == ["NCCL RAS"]
