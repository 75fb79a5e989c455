"""The network interface of this host by which others reach it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil

from lockstep.harness.ip_address import family, is_loopback
from lockstep.harness.scenario.errors import ScenarioError

DISCARD = 9  # any port will do: nothing is sent
FAMILIES = (socket.AF_INET, socket.AF_INET6)  # in this order, where a host has both


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of this host, one of its addresses, and the network (CIDR) that it is in.

    `chosen`: the user named it, so that ranks are to use it for everything.
    """

    name: str
    address: str
    network: str
    chosen: bool = False


def interfaces() -> list[Interface]:
    """All addresses of this host, of version 4 first, the loopback's too.

    Those of a link are left out: another host must name its own interface with them, which no launcher can know.
    """
    return [
        Interface(name, one.address, _network(one.address, one.netmask))
        for wanted in FAMILIES
        for name, found in psutil.net_if_addrs().items()
        for one in found
        if one.family == wanted and not ipaddress.ip_address(one.address.partition("%")[0]).is_link_local
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
    own = {one.address for one in interfaces()}
    return any(address in own or is_loopback(address) for address in filter(None, (resolve(name, one) for one in FAMILIES)))


def resolve(name: str, wanted: socket.AddressFamily | None = None) -> str | None:
    """The address of a host, of version 4 if it has one; None when its name has none here. `wanted`: of that version."""
    for one in FAMILIES if wanted is None else (wanted,):
        with contextlib.suppress(OSError, UnicodeError):
            return str(socket.getaddrinfo(name, None, one, socket.SOCK_STREAM)[0][4][0])
    return None


def _by_route(hosts: Sequence[str], every: Sequence[Interface]) -> Interface:
    own = {one.address: one for one in every}
    found: list[Interface] = []
    for address in _addresses(hosts):
        with contextlib.suppress(OSError), socket.socket(family(address), socket.SOCK_DGRAM) as probe:
            probe.connect((address, DISCARD))
            found += filter(None, [own.get(probe.getsockname()[0])])
    for one in found:
        if not is_loopback(one.address):
            return one
    if found:
        return found[0]
    names = ", ".join(hosts)
    raise ScenarioError(f"no route to {names} is known here; say by --interface how they reach this host")


def _addresses(hosts: Sequence[str]) -> list[str]:
    """Of one version if all have it, since all must reach the same address; else whichever each has."""
    for one in FAMILIES:
        found = [resolve(name, one) for name in hosts]
        if None not in found:
            return list(filter(None, found))
    return list(filter(None, map(resolve, hosts)))


def _network(address: str, mask: str | None) -> str:
    """Of a mask that is written as an address, in both versions."""
    every = ipaddress.ip_address(address).max_prefixlen
    bits = int(ipaddress.ip_address(mask)).bit_count() if mask else every
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


def _fits(one: Interface, wanted: str) -> bool:
    if wanted in (one.name, one.address):
        return True
    with contextlib.suppress(ValueError):  # a name
        return ipaddress.ip_address(one.address) == ipaddress.ip_address(wanted)
    if "/" not in wanted:
        return False
    try:
        return ipaddress.ip_address(one.address) in ipaddress.ip_network(wanted, strict=False)
    except ValueError as error:
        raise ScenarioError(f"--interface {wanted}: {error}; give a name, an address or a network") from error
