"""The interface by which hosts reach this one: by route, or as the user says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lockstep.harness.launch import hydra, interface
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.hydra import Hydra
from lockstep.harness.launch.interface import FAMILIES, Interface, choose_interface, interfaces, is_this_host, resolve
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.scenario.errors import ScenarioError


@pytest.mark.parametrize("wanted", ["lo", "127.0.0.1", "127.0.0.0/8", None])
def test_the_loopback_is_found_by_all_its_names(wanted: str | None) -> None:
    """Name, address, network, and the route to it; whether it was chosen is known."""
    found = choose_interface(["localhost"], wanted)
    assert (found.name, found.address, found.network) == ("lo", "127.0.0.1", "127.0.0.0/8")
    assert found.chosen == (wanted is not None)


@pytest.mark.parametrize("wanted", ["ib99", "203.0.113.7", "203.0.113.0/24"])
def test_one_that_is_not_there(wanted: str) -> None:
    """The error names those that are."""
    with pytest.raises(ScenarioError, match=r"this host has no such interface; it has .*lo \(127\.0\.0\.1\)"):
        choose_interface(["localhost"], wanted)


def test_addresses_of_version_6() -> None:
    """One is found however it is written, and by its network; one of a link only is none that others reach."""
    if not any(one.address == "::1" for one in interfaces()):
        pytest.skip("this host has no IPv6")
    for wanted in ("::1", "0:0:0:0:0:0:0:1", "::1/128"):
        assert choose_interface([], wanted).address == "::1"
    assert not any(one.address.startswith("fe80") for one in interfaces())


def test_all_hosts_reach_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of them has an address of version 6 only, those of the others are of that version too if they have one."""
    known = {"both": ("192.0.2.1", "2001:db8::1"), "six": (None, "2001:db8::2"), "four": ("192.0.2.3", None)}

    def resolve(name: str, wanted: socket.AddressFamily | None = None) -> str | None:
        found = dict(zip(FAMILIES, known[name], strict=True))
        return found[wanted] if wanted else next(filter(None, found.values()))

    monkeypatch.setattr(interface, "resolve", resolve)
    assert interface._addresses(["both", "four"]) == ["192.0.2.1", "192.0.2.3"]
    assert interface._addresses(["both", "six"]) == ["2001:db8::1", "2001:db8::2"]
    assert interface._addresses(["four", "six"]) == ["192.0.2.3", "2001:db8::2"]


def test_a_launcher_that_knows_no_version_6(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hydra is given an interface by name, and refuses one without an address that it can use, with what to do."""
    both, six = Interface("eth0", "2001:db8::1", "2001:db8::/64"), Interface("eth1", "2001:db8::2", "2001:db8::/64")
    monkeypatch.setattr(hydra, "interfaces", lambda: [Interface("eth0", "192.0.2.1", "192.0.2.0/24"), both, six])
    nodes = (NodeRanks("node1", 1), NodeRanks("node2", 1))
    assert Hydra("mpiexec", "").arguments(RankMap(nodes, head=both), tmp_path)[:2] == ["-iface", "eth0"]
    with pytest.raises(LaunchError, match=r"speaks IPv4 only, and eth1 \(2001:db8::2\) has no such address; use Open MPI"):
        Hydra("mpiexec", "").arguments(RankMap(nodes, head=six), tmp_path)


def test_what_is_no_network() -> None:
    """A slash alone makes none."""
    with pytest.raises(ScenarioError, match="give a name, an address or a network"):
        choose_interface(["localhost"], "eth0/24")


def test_hosts_that_only_ssh_knows() -> None:
    """Without an address there is no route: the user must say."""
    assert resolve("no-such-host.invalid") is None
    assert not is_this_host("no-such-host.invalid")
    with pytest.raises(ScenarioError, match=r"no route to no-such-host\.invalid is known here; say by --interface"):
        choose_interface(["no-such-host.invalid"], None)


def test_own_addresses_are_this_host() -> None:
    """Each of them."""
    assert all(is_this_host(one.address) for one in interfaces())
