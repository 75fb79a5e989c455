"""The hosts of a run that was given none: those of the Slurm allocation that it is in, else this one."""

from __future__ import annotations

from lockstep.harness.launch import allocation
from lockstep.harness.launch.interface import choose_interface, is_this_host
from lockstep.harness.placement.hosts import Host, Hosts


def default_hosts(interface: str | None = None) -> Hosts:
    """All nodes of the allocation, in Slurm's order. `interface`: as `reached`. Raises LaunchError and ScenarioError."""
    if not allocation.job():
        return Hosts.only_this()
    return reached(tuple(Host(name, slots, is_this_host(name)) for name, slots in allocation.nodes()), interface)


def reached(every: tuple[Host, ...], interface: str | None) -> Hosts:
    """These hosts, with the interface of this one that they reach it by: the one that is named, else that of the route."""
    others = [host.name for host in every if not host.here]
    if len(every) == 1 and not others:
        return Hosts(every)
    return Hosts(every, choose_interface(others or [host.name for host in every], interface))
