"""Several cases at once: never more than fit, all of them, and an end in order when one fails or Ctrl-C comes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.packing import Packing
from harness.scenario.case import Case
from tests.watch.launch import case


def cases(ranks: list[int]) -> list[Case]:
    """Cases of so many ranks."""
    return [replace(case("clean", count), id=f"{number}") for number, count in enumerate(ranks)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(1, 6), st.integers(1, 12))
def test_never_more_than_fit(ranks: list[int], most_cases: int, most_ranks: int) -> None:
    """At no moment run more cases, or more ranks, than allowed, but for a case that has more alone; none is left out."""
    running: set[str] = set()
    lock = threading.Lock()
    size = {one.id: one.ranks for one in cases(ranks)}

    def one(case: Case) -> str:
        with lock:
            running.add(case.id)
            assert len(running) <= most_cases
            assert sum(size[ident] for ident in running) <= most_ranks or most_cases == 1 or len(running) == 1
        time.sleep(0.002)
        with lock:
            running.remove(case.id)
        return case.id

    assert Packing(most_cases, most_ranks).run(cases(ranks), one, threading.Event()) == [c.id for c in cases(ranks)]


def test_failure_stops_the_others() -> None:
    """When one case fails the others are told to stop, and the failure comes out."""
    stop = threading.Event()

    def one(case: Case) -> None:
        if case.id == "0":
            raise OSError("disk full")
        assert stop.wait(30)

    with pytest.raises(OSError, match="disk full"):
        Packing(2, 8).run(cases([1, 1]), one, stop)


@pytest.mark.parametrize(("jobs", "packing"), [("1", (1, 1 << 30)), ("3", (3, 1 << 30)), ("auto", (8, 8))])
def test_jobs(jobs: str, packing: tuple[int, int]) -> None:
    """`--jobs` is a number of cases, or what sixteen cores hold."""
    found = Packing.parse(jobs, 16)
    assert (found.cases, found.ranks) == packing


@pytest.mark.parametrize("jobs", ["0", "-1", "many", ""])
def test_no_number(jobs: str) -> None:
    """Anything else is refused with advice."""
    with pytest.raises(ValueError, match="or auto"):
        Packing.parse(jobs, 16)
