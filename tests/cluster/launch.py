"""Judges one of the small rank programs on several hosts. A command, so that it can run on the head of a test cluster.

`python -m tests.cluster.launch PROGRAM HOSTS FOLDER [LIMIT=SECONDS...]` prints the (last) verdict as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from lockstep.harness.commands.hosts import HostOptions
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.capacity import Capacity
from lockstep.harness.placement.placement import Placement
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case

LIMITS = {"deadline_s": 60.0, "livelock_s": 40.0, "launch_s": 40.0, "silence_s": 6.0}


def main(program: str, given: str, folder: str, *limits: str) -> None:
    """Judge one program, with as many ranks as the hosts have slots."""
    hosts = HostOptions(given).load()
    ranks = hosts.slots
    wanted = {name: float(value) for name, _, value in (limit.partition("=") for limit in limits)}
    launches = int(wanted.pop("launches", 1))
    judged = replace(case(program, ranks, **{**LIMITS, **wanted}), launches=launches)
    rank_map = Placement.of(judged, Capacity.of_slots(hosts))
    assert isinstance(rank_map, RankMap)
    Path(folder).mkdir()
    argv = [sys.executable, "-m", "tests.watchdog.ranks", program]
    for number in range(1, launches + 1):
        verdict = CaseSession(EngineTarget(judged, argv, number), find(), Path(folder), rank_map).watch()
    print(json.dumps(verdict.to_json()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
