"""The site of a run: its hosts, what they offer, and the pool that hands it out."""

from __future__ import annotations

import os
from dataclasses import dataclass

from harness.campaign.devices import Machine
from harness.campaign.pool import Pool
from harness.launch.gpus import gpus, torch_has_cuda, visible
from harness.launch.probe import usable_cores


@dataclass(frozen=True, slots=True)
class Site:
    """The machines of a run, for who picks devices, and the pool, for who hands out places."""

    machine: Machine
    pool: Pool


def site(jobs: int | None) -> Site:
    """This host. `jobs`: how many cases at once; None: as many as fit."""
    machine = Machine(gpus(), torch_has_cuda())
    names = () if machine.lack else visible(len(machine.gpus), os.environ)
    return Site(machine, Pool.here(jobs, usable_cores(), names))
