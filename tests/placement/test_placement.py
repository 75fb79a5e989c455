"""Ranks are dealt to hosts in blocks; a pool whose cases run one at a time deals them as a command of one case does."""

from __future__ import annotations

import threading
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.launch.interface import Interface
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.placement.capacity import Capacity, HostCapacity
from lockstep.harness.placement.hosts import Host, Hosts
from lockstep.harness.placement.placement import Placement
from lockstep.harness.placement.pool import Pool
from lockstep.harness.placement.request import Lack
from lockstep.harness.scenario.case import Case
from tests.placement.test_request import one, program

SLOTS = st.lists(st.integers(1, 4), min_size=1, max_size=4)
CAPACITIES = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4)), min_size=1, max_size=4)


def capacity(slots: list[int]) -> Capacity:
    """Hosts with so many slots each; none of them is this one."""
    return Capacity(tuple(HostCapacity(f"node{number}", count) for number, count in enumerate(slots)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Cases of all kinds: with nodes and without, on CPUs and GPUs, of an engine and of a program."""
    nodes = draw(st.lists(st.integers(1, 4), max_size=3))
    ranks, device = sum(nodes) or draw(st.integers(1, 12)), draw(st.sampled_from(["", "cpu", "cuda"]))
    if not nodes and draw(st.booleans()):
        return program(ranks, device, draw(st.sampled_from(["auto", "none", "hydra"])))
    plane, unit = draw(st.sampled_from(["auto", "symm_mem"])), draw(st.sampled_from(["blocks", "fraction"]))
    return one(ranks, *nodes, device=device, plane=plane, unit=unit)


@given(cases(), CAPACITIES, st.integers(1, 3), st.booleans())
def test_a_pool_of_one_deals_the_same(case: Case, drawn: list[tuple[int, int]], share: int, strict: bool) -> None:
    """A case gets its places from the pool as if it were alone, however many have run before, or lacks the same."""
    hosts = tuple(
        HostCapacity(f"h{number}", slots, tuple(map(str, range(gpus))), share=share)
        for number, (slots, gpus) in enumerate(drawn)
    )
    offered = Capacity(hosts, Interface("eth0", "10.0.0.1", "10.0.0.0/24"), strict)
    found, pool = Placement.of(case, offered), Pool.on(offered, jobs=1)
    if isinstance(found, Lack):
        assert found.text
        return
    assert pool.run(range(3), [pool.request(case)] * 3, lambda _, rank_map: rank_map, threading.Event()) == [found] * 3
    assert found.ranks == case.ranks
    assert tuple(node.ranks for node in found.nodes) == (case.nodes or tuple(node.ranks for node in found.nodes))


@given(SLOTS, st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_nodes_are_granted_whenever_they_can_be(slots: list[int], wanted: list[int]) -> None:
    """Every node is on a host of its own that has room for it, if any choice of hosts has; the nodes stay in their order."""
    hosts = capacity(slots)
    possible = len(wanted) <= len(slots) and any(
        all(host.slots >= count for host, count in zip(chosen, wanted, strict=True))
        for chosen in permutations(hosts.hosts, len(wanted))
    )
    found = Placement.of(one(sum(wanted), *wanted), hosts)
    assert isinstance(found, RankMap) == possible
    if isinstance(found, RankMap):
        assert [node.ranks for node in found.nodes] == wanted
        assert len({node.host for node in found.nodes}) == len(wanted)
        room = {host.host: host.slots for host in hosts.hosts}
        assert all(room[node.host] >= node.ranks for node in found.nodes)


@given(SLOTS, st.integers(1, 20))
def test_one_host_if_one_has_room_else_hosts_in_their_order(slots: list[int], ranks: int) -> None:
    """The promise of docs/hosts.md: the first host with room for all; else rank by rank into the first with a slot left."""
    hosts = capacity(slots)
    places = [host.host for host in hosts.hosts for _ in range(host.slots)][:ranks]
    whole = [host.host for host in hosts.hosts if host.slots >= ranks]
    found = Placement.of(one(ranks), hosts)
    if len(places) < ranks:
        assert isinstance(found, Lack)
    else:
        assert isinstance(found, RankMap)
        meant = whole[:1] * ranks or places
        assert [found.nodes[found.node_of(rank)].host for rank in range(ranks)] == meant


def test_one_node_here_is_local() -> None:
    """Nothing goes by ssh then; a second node, or one elsewhere, is reached by the interface of the run."""
    here, there, head = Host("box", 4, here=True), Host("other", 4), Interface("eth0", "10.0.0.1", "10.0.0.0/24")
    hosts = Capacity.of_slots(Hosts((here, there), head))
    near, far = Placement.of(one(4), hosts), Placement.of(one(5), hosts)
    elsewhere = Placement.of(one(4), Capacity.of_slots(Hosts((there,), head)))
    assert isinstance(near, RankMap) and isinstance(far, RankMap) and isinstance(elsewhere, RankMap)
    assert (near.local, near.address) == (True, "127.0.0.1")
    assert (far.local, far.address, far.nodes) == (False, "10.0.0.1", (NodeRanks("box", 4), NodeRanks("other", 1)))
    assert (elsewhere.local, elsewhere.address) == (False, "10.0.0.1")


def test_a_run_without_hosts_has_room_for_every_case_of_one_node() -> None:
    """And for none of several."""
    for alone in (Capacity.here(), Capacity.of_slots(Hosts.only_this())):
        assert Placement.of(one(1000), alone) == RankMap.on_this_host(1000)
        assert Placement.of(one(8, 8), alone) == RankMap.on_this_host(8)
        assert Placement.of(one(4, 2, 2), alone) == Lack("they need 2 hosts, and there is 1 host; --hosts names more")


def test_what_lacks_is_said() -> None:
    """With what to do about it."""
    hosts = capacity([2, 1])
    texts = [found.text for found in (Placement.of(case, hosts) for case in LACKING) if isinstance(found, Lack)]
    assert texts == [
        "they need 4 slots, and the hosts have 3; more are given as name:slots",
        "they need hosts with 2 and 2 slots; more are given as name:slots",
        "they need 3 hosts, and there are 2 hosts; --hosts names more",
    ]


LACKING = (one(4), one(4, 2, 2), one(3, 1, 1, 1))
