"""What cases need of the hosts of a run: nodes, slots, GPUs; and what no hosts can give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.placement.capacity import Capacity, Gpus, HostCapacity
from lockstep.harness.placement.request import Lack, PlacementRequest, fits
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine_base import EngineBase
from tests.watchdog.launch import NEEDS_NOTHING, case

PAIR = (HostCapacity("a", 4), HostCapacity("b", 4))
GPUS = (HostCapacity("a", 8, ("0", "1")), HostCapacity("b", 8, ("0", "1", "2", "3")), HostCapacity("c", 8))


def one(
    ranks: int, *nodes: int, device: str = "cpu", plane: str = "auto", unit: str = "blocks", budget: int | None = None
) -> Case:
    """A case of so many ranks. `unit`: of its KV capacity, which is 64; `budget`: of each rank, in bytes of its GPU."""
    gpu = {"plane": plane, "memory_bytes": None if budget is None else [budget] * ranks}
    spec = {**NEEDS_NOTHING, "device": device, "gpu": gpu, "kv_capacity": {"unit": unit, "per_rank": [64] * ranks}}
    return replace(case("clean", ranks), nodes=nodes, spec=spec)


def request(wanted: Case, hosts: Sequence[HostCapacity], strict: bool = False) -> PlacementRequest | Lack:
    """What a case asks of hosts."""
    return PlacementRequest.of(wanted, Capacity(tuple(hosts), strict_slots=strict))


def program(ranks: int, device: str, launcher: str = "auto") -> Case:
    """A program that knows nothing of us."""
    config = {"launcher": launcher, "processes": ranks}
    return replace(one(ranks), engine="command", spec={"device": device, "config": config})


def lack(found: PlacementRequest | Lack) -> str:
    """What is lacking."""
    assert isinstance(found, Lack)
    return found.text


@pytest.mark.parametrize(
    ("wanted", "hosts", "found"),
    [
        (one(4), PAIR, PlacementRequest((4,))),
        (one(6), PAIR, PlacementRequest((4, 2))),
        (one(3), (HostCapacity("a", 2), HostCapacity("b", 4)), PlacementRequest((3,))),
        (one(5), (HostCapacity("a", 2), HostCapacity("b", 4)), PlacementRequest((2, 3))),
        (one(10), PAIR, PlacementRequest((6, 4), oversubscribed=True)),
        (one(4), (HostCapacity("a", 1),), PlacementRequest((4,), oversubscribed=True)),
        (one(4, 2, 2), PAIR, PlacementRequest((2, 2))),
        (one(4, 3, 1), PAIR, PlacementRequest((3, 1))),
        (one(6, 5, 1), PAIR, PlacementRequest((5, 1), oversubscribed=True)),
        (one(4, device="cuda"), PAIR, PlacementRequest((4,))),  # nobody has a GPU, which is said elsewhere
        (one(2, device="cuda"), GPUS, PlacementRequest((2,), Gpus.EACH)),
        (one(6, device="cuda"), GPUS, PlacementRequest((2, 4), Gpus.EACH)),
        (one(5, 1, 4, device="cuda"), GPUS, PlacementRequest((1, 4), Gpus.EACH)),
        (one(7, device="cuda"), GPUS, PlacementRequest((7,), Gpus.ONE)),
        (one(9, device="cuda"), GPUS, PlacementRequest((9,), Gpus.ONE, oversubscribed=True)),
        (one(2, device="cuda", plane="symm_mem"), GPUS, PlacementRequest((2,), Gpus.ONE)),
        (one(5, 5, device="cuda"), GPUS, PlacementRequest((5,), Gpus.ONE)),
    ],
)
def test_request(wanted: Case, hosts: tuple[HostCapacity, ...], found: PlacementRequest) -> None:
    """One host where it fits, else hosts in their order; nodes as the scenario says; a GPU a rank where there are enough."""
    assert request(wanted, hosts) == found


@pytest.mark.parametrize(
    ("unit", "budget", "shares"),
    [
        ("blocks", None, True),
        ("bytes", None, True),
        ("fraction", None, False),
        ("ballast_bytes", None, False),
        ("fraction", 1 << 30, True),
        ("blocks", 1 << 36, False),
    ],
)
def test_who_shares_a_gpu(unit: str, budget: int | None, shares: bool) -> None:
    """A case shares its GPUs with others if it surely takes little of them and hosts let it; else they are its alone."""
    shared = tuple(replace(host, share=4) for host in GPUS)
    wanted = one(2, device="cuda", unit=unit, budget=budget)
    assert request(wanted, shared) == PlacementRequest((2,), Gpus.SHARED if shares else Gpus.EACH)
    assert request(wanted, GPUS) == PlacementRequest((2,), Gpus.EACH)


def test_a_program_takes_all_gpus_of_its_host() -> None:
    """How many GPUs the processes use that it starts is not known."""
    assert request(program(1, "cuda"), GPUS) == PlacementRequest((1,), Gpus.ALL)
    assert request(program(1, "cpu"), GPUS) == PlacementRequest((1,))


def test_a_program_that_starts_here_only() -> None:
    """Without an MPI launcher nothing is started on another host."""
    alone = program(1, "cpu", launcher="none")
    assert request(alone, Capacity.here().hosts) == PlacementRequest((1,))
    assert "on this host only" in lack(request(alone, [HostCapacity("a", 1)]))


@pytest.mark.parametrize(
    ("wanted", "hosts", "text"),
    [
        (one(3, 1, 1, 1), PAIR, "they need 3 hosts, and there are 2 hosts; --hosts names more"),
        (one(2, 1, 1), PAIR[:1], "they need 2 hosts, and there is 1 host; "),
        (one(3, 1, 1, 1, device="cuda"), GPUS, "they need 3 hosts, and there are 2 hosts with GPUs"),
        (one(6, 3, 3, device="cuda"), GPUS, "need a GPU each, and the hosts have too few"),
        (one(2, 1, 1, device="cuda", plane="symm_mem"), GPUS, "ranks on several hosts need a GPU each"),
    ],
)
def test_lack(wanted: Case, hosts: tuple[HostCapacity, ...], text: str) -> None:
    """What these hosts can never hold is said."""
    assert text in lack(request(wanted, hosts))


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (one(9), "they need 9 slots, and the hosts have 8; more are given as name:slots"),
        (one(6, 5, 1), "they need hosts with 5 and 1 slots"),
        (one(9, device="cuda"), "their 9 ranks share a GPU, and no host that has one has so many slots"),
    ],
)
def test_slots_that_the_user_has_given(wanted: Case, text: str) -> None:
    """They are not stretched."""
    assert text in lack(request(wanted, GPUS if wanted.spec["device"] == "cuda" else PAIR, strict=True))


@given(st.integers(1, 20), st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_all_ranks_are_dealt(ranks: int, slots: list[int]) -> None:
    """Every rank has a node, no node is empty, and hosts are stretched only when all slots together are too few."""
    found = request(one(ranks), [HostCapacity(str(number), count) for number, count in enumerate(slots)])
    assert isinstance(found, PlacementRequest)
    assert sum(found.counts) == ranks
    assert min(found.counts) > 0
    assert found.oversubscribed == (ranks > sum(slots))
    assert len(found.counts) == 1 or ranks > max(slots)
    assert found.oversubscribed or fits(found.counts, slots)


class Strict(EngineBase[Any]):
    """An engine that says no more than that its ranks use GPUs."""


def test_an_engine_that_cannot_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its ranks outnumber the GPUs nothing is launched that would fail; on the CPU it needs none."""
    monkeypatch.setattr("lockstep.harness.placement.request.find_engine", lambda name: Strict())
    assert request(one(6, device="cuda"), GPUS) == PlacementRequest((2, 4), Gpus.EACH)
    assert lack(request(one(7, device="cuda"), GPUS)) == (
        "their 7 ranks need a GPU each, and the hosts have 6; --device cpu needs none"
    )
    assert request(one(7), GPUS) == PlacementRequest((7,))
