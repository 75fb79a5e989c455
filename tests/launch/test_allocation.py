"""What Slurm says of an allocation, in our terms; and what is asked of it."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.launch import allocation, mpi, slurm_job
from lockstep.harness.launch.discovery import is_name
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.launch.salloc import Wanted
from lockstep.harness.launch.srun import Srun

COUNTS = st.lists(st.integers(1, 128), min_size=1, max_size=12)


@given(COUNTS)
def test_counts(numbers: list[int]) -> None:
    """Slurm's short form of a number for each node means those numbers."""
    runs = [(number, len(list(found))) for number, found in groupby(numbers)]
    text = ",".join(str(number) if times == 1 else f"{number}(x{times})" for number, times in runs)
    assert slurm_job.counts(text) == numbers


@pytest.mark.parametrize("text", ["", "x", "4(x", "4,,x", "4(x2)3"])
def test_what_is_no_count(text: str) -> None:
    """What Slurm would not write is no number of slots."""
    assert slurm_job.counts(text) == []


@given(st.integers(-10_000, 10_000))
def test_seconds_until(seconds: int) -> None:
    """Time left is what lies between now and Slurm's time; none after it."""
    now = datetime(2026, 11, 25, 12, 0, 0)
    end = (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    assert slurm_job.seconds_until(end, now) == max(0, seconds)
    assert slurm_job.seconds_until("Unknown", now) is None


def test_outside_an_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside an allocation nothing is asked, nothing ends and no time is short."""
    monkeypatch.delenv(slurm_job.JOB, raising=False)
    monkeypatch.setenv("PATH", "")
    assert (allocation.current(), allocation.job(), allocation.nodes()) == (None, "", [])
    assert (allocation.ending(), allocation.left_s()) == ("", None)
    assert (slurm_job.ending(), slurm_job.left_s()) == ("", None)


@given(st.lists(st.tuples(st.lists(st.integers(1, 8), max_size=4), st.integers(1, 16)), min_size=1, max_size=6))
def test_an_allocation_has_room_for_every_case(cases: list[tuple[list[int], int]]) -> None:
    """Each case that says how it is dealt finds its nodes in an allocation of our own, each other one its slots."""
    count, slots = allocation.enough_for([nodes for nodes, _ in cases], [ranks for _, ranks in cases])
    for nodes, ranks in cases:
        assert (len(nodes) <= count and max(nodes) <= slots) if nodes else ranks <= count * slots


def test_an_allocation_in_salloc_s_words() -> None:
    """Nodes that are named are asked for by name."""
    assert "--nodelist=a,b" in Wanted(2, 4, ("a", "b")).options()
    assert not any(word.startswith("--nodelist") for word in Wanted(2, 4).options())


@given(COUNTS)
def test_a_line_for_each_rank(counts: list[int]) -> None:
    """srun gets the host of every rank, in the order of ranks, and the kind of MPI."""
    rank_map = RankMap(tuple(NodeRanks(f"n{number % 3}", count) for number, count in enumerate(counts)))
    with tempfile.TemporaryDirectory() as name:
        words = Srun("pmi2", "").command(rank_map, ["prog"], Path(name))
        assert not any(word.startswith("--mpi") for word in Srun("", "").command(rank_map, ["prog"], Path(name)))
        hosts = (Path(name) / "hosts").read_text().split()
    assert hosts == [rank_map.nodes[rank_map.node_of(rank)].host for rank in range(rank_map.ranks)]
    assert {"--mpi=pmi2", f"--ntasks={rank_map.ranks}", "--distribution=arbitrary"} <= set(words)


@pytest.mark.parametrize(
    ("said", "kinds", "title"),
    [
        (
            "MPICH Version:      5.0.2\nMPICH configure:    --with-device=ch4:ucx,ofi --with-pm=hydra",
            ("pmi2",),
            "MPICH 5.0.2",
        ),
        ("MPICH Version:      4.2.0\nMPICH configure:    --with-pmix=/usr", ("pmi2", "pmix"), "MPICH 4.2.0"),
        ("Open MPI v5.0.11, package: Open MPI user@localhost Distribution", ("pmix",), "Open MPI v5.0.11"),
        ("Open MPI v4.1.6, package: Debian", ("pmix", "pmi2"), "Open MPI v4.1.6"),
        ("Some MPI 1.0", (), "Some MPI 1.0"),
    ],
)
def test_kinds_of_mpi(said: str, kinds: tuple[str, ...], title: str) -> None:
    """Each library starts by the kinds of process management that it was built for."""
    assert (mpi.kinds(said), mpi.title(said)) == (kinds, title)


def test_this_environment_s_library_is_known() -> None:
    """The MPI library of these tests says what it is, without being initialised."""
    assert mpi.kinds(mpi.library()) in (("pmi2",), ("pmix",), ("pmi2", "pmix"), ("pmix", "pmi2"))


@pytest.mark.parametrize(
    ("name", "known"),
    [("auto", True), ("srun", True), ("srun:pmix", True), ("srun:", False), ("hydra:x", False), ("slurm", False)],
)
def test_names(name: str, known: bool) -> None:
    """The names of launchers that a user may give."""
    assert is_name(name) is known
