"""The interface by which hosts reach this one: by route, or as the user says."""

from __future__ import annotations

import pytest

from lockstep.harness.launch.interface import choose_interface, interfaces, is_this_host, resolve
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
