"""The address and the interface by which a host reaches the watchdog's."""

from __future__ import annotations

import pytest

from lockstep.harness.ip_address import TCP, with_port
from lockstep.harness.launch.interface import Interface, interfaces
from lockstep.harness.supervisor.host_setup import interface_of, route_to


@pytest.mark.parametrize("one", interfaces(), ids=lambda one: one.address)
def test_own_addresses(one: Interface) -> None:
    """Of both versions each has its interface, and is reached from itself or from the loopback."""
    assert interface_of(one.address) == one.name
    assert interface_of(route_to(TCP + with_port(one.address, 9))) in (one.name, "lo")


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
def test_an_address_of_nobody(address: str) -> None:
    """No interface has it."""
    assert interface_of(address) == ""
