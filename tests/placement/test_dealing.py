"""Ranks are dealt to hosts in blocks; what cannot be dealt is known before anything is launched."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.launch.interface import Interface
from lockstep.harness.launch.rank_map import Node
from lockstep.harness.placement.dealing import Hosts, deal
from lockstep.harness.placement.hosts import Host

SLOTS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def named(slots: list[int]) -> list[Host]:
    """Hosts with so many slots each; none of them is this one."""
    return [Host(f"node{number}", count) for number, count in enumerate(slots)]


@given(SLOTS, st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_wish_is_granted_whenever_it_can_be(slots: list[int], wanted: list[int]) -> None:
    """Every node is on a host of its own that has room for it, if any choice of hosts has; the nodes stay in their order."""
    hosts = named(slots)
    possible = len(wanted) <= len(slots) and any(
        all(host.slots >= count for host, count in zip(chosen, wanted, strict=True))
        for chosen in permutations(hosts, len(wanted))
    )
    found = deal(wanted, sum(wanted), hosts)
    assert (found is not None) == possible
    assert (Hosts(tuple(hosts)).lack(wanted, sum(wanted)) == "") == possible
    if found is not None:
        assert [node.ranks for node in found.nodes] == wanted
        assert len({node.host for node in found.nodes}) == len(wanted)
        room = {host.name: host.slots for host in hosts}
        assert all(room[node.host] >= node.ranks for node in found.nodes)


@given(SLOTS, st.integers(1, 20))
def test_without_a_wish_hosts_are_filled_in_their_order(slots: list[int], ranks: int) -> None:
    """Rank by rank into the first host that has a slot left."""
    hosts = named(slots)
    places = [host.name for host in hosts for _ in range(host.slots)][:ranks]
    found = deal((), ranks, hosts)
    if len(places) < ranks:
        assert found is None
    else:
        assert found is not None
        assert [found.nodes[found.node_of(rank)].host for rank in range(ranks)] == places


def test_one_node_here_is_local() -> None:
    """Nothing goes by ssh then; a second node, or one elsewhere, is reached by the interface of the run."""
    here, there = Host("box", 4, here=True), Host("other", 4)
    hosts = Hosts((here, there), Interface("eth0", "10.0.0.1", "10.0.0.0/24"))
    assert [found and found.local for found in (hosts.deal((), 3), hosts.deal((), 5), deal((4,), 4, [there]))] == [
        True,
        False,
        False,
    ]
    far = hosts.deal((), 5)
    assert far is not None
    assert far.address == "10.0.0.1"
    assert far.nodes == (Node("box", 4), Node("other", 1))
    near = hosts.deal((), 4)
    assert near is not None
    assert near.address == "127.0.0.1"


def test_a_run_without_hosts_has_room_for_every_case_of_one_node() -> None:
    """And for none of several."""
    alone = Hosts.only_this()
    assert alone.lack((), 1000) == alone.lack((8,), 8) == ""
    assert alone.lack((2, 2), 4) == "they need 2 hosts, and there is 1 host; --hosts names more"


def test_what_lacks_is_said() -> None:
    """With what to do about it."""
    hosts = Hosts(tuple(named([2, 1])))
    assert hosts.lack((), 4) == "they need 4 slots, and the hosts have 3; more are given as name:slots"
    assert hosts.lack((2, 2), 4) == "they need hosts with 2 and 2 slots; more are given as name:slots"
    assert hosts.lack((1, 1, 1), 3) == "they need 3 hosts, and there are 2 hosts; --hosts names more"
