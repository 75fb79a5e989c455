"""Which rank a process is, from the environment that it was started with, whatever stands in there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.inspection.places import VARIABLES, Place, place_of, variables
from lockstep.harness.judge.flight_dump import MOST_RANKS

NAMES = [name for pair in VARIABLES for name in pair]


@pytest.mark.parametrize(
    ("environment", "rank", "world", "by"),
    [
        ({"RANK": "1", "WORLD_SIZE": "4"}, 1, 4, "RANK"),
        ({"PMI_RANK": "3", "PMI_SIZE": "4"}, 3, 4, "PMI_RANK"),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0"}, 0, 2, "OMPI_COMM_WORLD_RANK"),
        ({"PMIX_RANK": "2"}, 2, 0, "PMIX_RANK"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "RANK": "5", "WORLD_SIZE": "64"}, 5, 64, "RANK"),
        ({"SLURM_PROCID": "7", "SLURM_NTASKS": "8", "RANK": "captain"}, 7, 8, "SLURM_PROCID"),
    ],
)
def test_who_started_it_tells(environment: dict[str, str], rank: int, world: int, by: str) -> None:
    """Every launcher's variables are known; those of the inner one count."""
    found = place_of(environment)
    assert found is not None
    assert (found.rank, found.world, found.variable) == (rank, world, by)


@pytest.mark.parametrize("rank", ["", "-1", "x", "4", "9" * 40, "٣", " 1", "1 "])
def test_what_no_rank_can_be(rank: str) -> None:
    """Is none, and costs nothing."""
    assert place_of({"RANK": rank, "WORLD_SIZE": "4"}) is None


def test_a_rank_without_a_world() -> None:
    """`RANK` alone may be anything of the user's; what MPI and Slurm set has one meaning."""
    assert place_of({"RANK": "1"}) is None
    assert place_of({"PMI_RANK": "1"}) == Place(1, 0, 3)


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12)), st.binary(max_size=80))
def test_any_environment(environment: dict[str, str], raw: bytes) -> None:
    """Nothing raises; what is found is a rank of its world, in its limits."""
    for one in (environment, variables(raw)):
        found = place_of(one)
        assert found is None or (0 <= found.rank < (found.world or MOST_RANKS) and found.world <= MOST_RANKS)
