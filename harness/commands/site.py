"""The site of a run: its hosts, what they offer, and the pool that hands it out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lockstep.harness.campaign.devices import Machine
from lockstep.harness.host.gpus import Gpu, gpus, torch_has_cuda, visible
from lockstep.harness.launch.answer import Answer
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.probe import usable_cores
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.launch.survey import Told, survey_hosts
from lockstep.harness.placement.capacity import Capacity, HostCapacity
from lockstep.harness.placement.hosts import Host, Hosts
from lockstep.harness.placement.pool import Pool


@dataclass(frozen=True, slots=True)
class Site:
    """The machines, for who picks devices; the pool, for who hands out places; the facts of each host that was named."""

    machine: Machine
    pool: Pool
    hosts: tuple[dict[str, Any], ...] = ()

    def environment(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept with a run: the facts of this host, and of all that were named."""
        return {**facts, "hosts": list(self.hosts)} if self.hosts else dict(facts)


def this_site(jobs: int | None, share: int = 1) -> Site:
    """This host alone. `jobs`: how many cases at once; None: as many as fit. `share`: how many on one GPU."""
    found = gpus()
    names = visible(len(found), os.environ)
    machine = Machine(found, torch_has_cuda(), hidden=bool(found) and not names)
    names = () if machine.lack else names
    return Site(machine, Pool.here(jobs, usable_cores(), names, share))


def site_of(hosts: Hosts, launcher: Launcher, jobs: int | None, named: bool, share: int = 1) -> Site:
    """These hosts, each of which is asked what it has; this one alone where there are no others and no slots are given.

    `named`: the user has listed them. Raises LaunchError when one does not answer.
    """
    if hosts == Hosts.only_this():
        return this_site(jobs, share)
    told = ask(hosts, launcher)
    lost = [f"host {one.host} cannot be used: {one.error}" for one in told if one.answer is None]
    if lost:
        raise LaunchError("\n".join([*lost, "nothing was launched; `lockstep doctor --hosts` checks all hosts"]))
    facts = [
        {"name": host.name, "slots": host.slots, **one.answer.facts}
        for host, one in zip(hosts.every, told, strict=True)
        if one.answer is not None
    ]
    offered = tuple(
        HostCapacity(host.name, host.slots, tuple(one["visible"]), host.here, share)
        for host, one in zip(hosts.every, facts, strict=True)
    )
    return Site(_machine(facts), Pool.on(Capacity(offered, hosts.head), jobs, named), tuple(facts))


def ask(hosts: Hosts, launcher: Launcher) -> list[Told[Answer]]:
    """What each of the hosts says of itself, or why it says nothing."""
    return survey_hosts(launcher, [alone(host, hosts) for host in hosts.every])


def alone(host: Host, hosts: Hosts) -> RankMap:
    """One process on one of the hosts."""
    found = RankMap((NodeRanks(host.name, 1),), local=host.here)
    return found if found.local else replace(found, head=hosts.head)


def _machine(facts: Sequence[Mapping[str, Any]]) -> Machine:
    """The GPUs of hosts whose torch can use them; if there are none, those that are of no use."""
    usable = [gpu for one in facts if one["visible"] for gpu in one["gpus"]]
    every = [gpu for one in facts for gpu in one["gpus"]]
    found = [Gpu(**gpu, used_bytes=0, processes={}) for gpu in usable or every]
    return Machine(found, bool(usable), "any of the hosts")
