"""The network interface of this host by which others reach it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil

from lockstep.harness.scenario.errors import ScenarioError

DISCARD = 9  # any port will do: nothing is sent


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of this host, its IPv4 address, and the network (CIDR) that it is in.

    `chosen`: the user named it, so that ranks are to use it for everything.
    """

    name: str
    address: str
    network: str
    chosen: bool = False


def interfaces() -> list[Interface]:
    """All that have an IPv4 address, the loopback too."""
    return [
        Interface(name, one.address, str(ipaddress.ip_network(f"{one.address}/{one.netmask or 32}", strict=False)))
        for name, found in psutil.net_if_addrs().items()
        for one in found
        if one.family == socket.AF_INET
    ]


def choose_interface(hosts: Sequence[str], wanted: str | None) -> Interface:
    """That by which this host is reached by others. `wanted`: a name, an address or a network (CIDR) instead.

    Without it, that of the route to the first host that is not this one. Raises ScenarioError.
    """
    every = interfaces()
    if wanted is None:
        return _by_route(hosts, every)
    found = [one for one in every if _fits(one, wanted)]
    if not found:
        there_are = ", ".join(f"{one.name} ({one.address})" for one in every)
        raise ScenarioError(f"--interface {wanted}: this host has no such interface; it has {there_are}")
    return replace(found[0], chosen=True)


def is_this_host(name: str) -> bool:
    """Whether a name means the host on which this process runs. One that does not resolve may be known to ssh: it is not."""
    node = os.uname().nodename
    if name in ("localhost", node, node.partition(".")[0]):
        return True
    address = resolve(name)
    return address is not None and (address.startswith("127.") or address in {one.address for one in interfaces()})


def resolve(name: str) -> str | None:
    """The IPv4 address of a host; None when its name has none here."""
    with contextlib.suppress(OSError, UnicodeError):
        return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    return None


def _by_route(hosts: Sequence[str], every: Sequence[Interface]) -> Interface:
    own = {one.address: one for one in every}
    found: list[Interface] = []
    for name in hosts:
        address = resolve(name)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            if address is not None:
                probe.connect((address, DISCARD))
                found += filter(None, [own.get(probe.getsockname()[0])])
    for one in found:
        if not one.address.startswith("127."):
            return one
    if found:
        return found[0]
    names = ", ".join(hosts)
    raise ScenarioError(f"no route to {names} is known here; say by --interface how they reach this host")


def _fits(one: Interface, wanted: str) -> bool:
    if wanted in (one.name, one.address):
        return True
    if "/" not in wanted:
        return False
    try:
        return ipaddress.ip_address(one.address) in ipaddress.ip_network(wanted, strict=False)
    except ValueError as error:
        raise ScenarioError(f"--interface {wanted}: {error}; give a name, an address or a network") from error
