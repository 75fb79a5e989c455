"""What makes a case impossible to judge: a launcher that ends, hosts that never come, are the wrong ones, or are lost."""

from __future__ import annotations

from lockstep.harness.channel.identity import Identity
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Limits
from lockstep.harness.vocabulary import Cause
from lockstep.harness.watchdog.presence.node_report import stranger
from lockstep.harness.watchdog.presence.placement_check import misplaced
from lockstep.harness.watchdog.presence.registry import Registry

LOOK_S = 0.1  # between two looks at thousands of supervisors
CLOSED_S = 1.0  # what a launcher is given to say why a supervisor has gone


class FailureDetector:
    """Looks after the supervisors of one case. `own`: the identity of the watchdog."""

    def __init__(self, registry: Registry, rank_map: RankMap, limits: Limits, own: Identity) -> None:
        self._registry, self._rank_map, self._limits, self._own = registry, rank_map, limits, own
        self._compared = False
        self._looked_s = 0.0
        self._closed_s: float | None = None  # when a supervisor was first seen to have gone

    def look(self, job: Job, started_s: float, now_s: float) -> tuple[Cause, str] | None:
        """Why the case cannot be judged, and in which words; None: it can so far. Times on the watchdog's clock."""
        registry, limits = self._registry, self._limits
        if orphans := registry.without_launcher():
            name = next(iter(orphans.values()))
            return (
                Cause.NODE_LOST,
                f"the launcher's {name} has gone before a verdict: {registry.where(orphans)}\n{job.tail()}",
            )
        code = job.exit_code()
        if code is not None:
            cause = Cause.NODE_LOST if registry.complete() else Cause.LAUNCH
            cause = Cause.SCENARIO if job.futile() else cause
            return cause, f"the launcher ended ({code}) before a verdict:\n{self._never_came()}{job.tail()}"
        if not registry.complete() and now_s - started_s > limits.launch_s:
            cause = Cause.SCENARIO if job.futile() else Cause.LAUNCH
            return cause, f"within {limits.launch_s:.0f} s:\n{self._never_came()}{job.tail()}"
        if registry.complete() and not self._compared:
            self._compared = True
            other = None if self._rank_map.local else stranger(registry, self._own)
            if wrong := other or misplaced(self._rank_map, registry.places()):
                return Cause.LAUNCH, wrong
        if now_s - self._looked_s < LOOK_S:
            return None
        self._looked_s = now_s
        if silent := registry.silent(limits.silence_s):
            return Cause.NODE_LOST, f"nothing was heard for {limits.silence_s:.0f} s from {registry.where(silent)}"
        if closed := registry.closed():
            self._closed_s = self._closed_s or now_s
            if now_s - self._closed_s > CLOSED_S:
                return Cause.NODE_LOST, f"supervisors ended before a verdict: {registry.where(closed)}\n{job.tail()}"
        return None

    def _never_came(self) -> str:
        """A line for each host of which supervisors never came."""
        missing = self._registry.missing()
        by_host: dict[str, list[int]] = {}
        for rank in missing:
            by_host.setdefault(self._rank_map.nodes[self._rank_map.node_of(rank)].host, []).append(rank)
        return "".join(f"no supervisor of rank {ranks} came from {host}\n" for host, ranks in by_host.items())
