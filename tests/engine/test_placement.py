"""Which GPU and which data plane: the same answer on all ranks, for any number of hosts, GPUs and ranks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.minimal.device.placement import Seat, place


def seats(ranks: list[int], gpus: int) -> list[Seat]:
    """So many ranks on each host, with so many GPUs."""
    return [Seat(f"n{host}", local, count, gpus) for host, count in enumerate(ranks) for local in range(count)]


@given(st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(1, 8))
def test_own_gpu_means_nccl(ranks: list[int], gpus: int) -> None:
    """With a GPU for each rank every rank has its own and NCCL; else all share one on one host, or each gets the error."""
    where = seats(ranks, gpus)
    if max(ranks) <= gpus:
        found = [place(where, rank) for rank in range(len(where))]
        assert {placement.plane for placement in found} == {"nccl"}
        taken = [(seat.host, placement.device) for seat, placement in zip(where, found, strict=True)]
        assert len(set(taken)) == len(taken)
        assert all(placement.sharers == 1 for placement in found)
    elif len(ranks) == 1:
        assert {place(where, rank).plane for rank in range(len(where))} == {"symm_mem"}
        assert {(place(where, rank).device, place(where, rank).sharers) for rank in range(len(where))} == {(0, ranks[0])}
    else:
        for rank in range(len(where)):
            with pytest.raises(RuntimeError, match="give every rank a GPU"):
                place(where, rank)


@pytest.mark.parametrize(
    ("wanted", "gpus", "plane"), [("symm_mem", 2, "symm_mem"), ("nccl", 2, "nccl"), ("symm_mem", 1, "symm_mem")]
)
def test_plane_that_the_scenario_wants(wanted: str, gpus: int, plane: str) -> None:
    """A scenario may ask for a data plane; ranks that could have a GPU each then share the first."""
    found = [place(seats([2], gpus), rank, wanted) for rank in range(2)]
    assert {placement.plane for placement in found} == {plane}
    assert [placement.device for placement in found] == ([0, 1] if plane == "nccl" else [0, 0])


def test_the_shared_gpu_is_the_one_used_least() -> None:
    """Ranks that must share go where there is most room, and all to the same GPU, though each sees another moment."""
    where = [Seat("n", local, 4, 2, used) for local, used in enumerate([(9, 5), (5, 9), (0, 0), (9, 9)])]
    assert {place(where, rank).device for rank in range(4)} == {1}


def test_nccl_cannot_share() -> None:
    """NCCL on one GPU for two ranks is an error that says what to do."""
    with pytest.raises(RuntimeError, match="nccl cannot do that: give every rank a GPU"):
        place(seats([2], 1), 0, "nccl")


def test_host_without_gpu() -> None:
    """No GPU is an error that says what to do."""
    with pytest.raises(RuntimeError, match="--device cpu"):
        place(seats([1], 0), 0)
