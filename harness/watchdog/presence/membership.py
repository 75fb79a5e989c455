"""Who attends a case: what supervisors say of themselves, and what they are asked about it, whatever the ranks do."""

from __future__ import annotations

import time

from lockstep.harness.channel.bootstrap import SILENCE_S
from lockstep.harness.channel.identity import Identity
from lockstep.harness.channel.messages import FromSupervisor
from lockstep.harness.channel.pacing import beat_s
from lockstep.harness.channel.to_supervisor import Call, ReadClock
from lockstep.harness.channel.to_watchdog import Bye, ClockRead, Hello, Here, LauncherLost
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.verdict import Finding, NodeReport
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.watchdog.presence.clock_sync import HostClocks
from lockstep.harness.watchdog.presence.liveness_round import LivenessRound
from lockstep.harness.watchdog.presence.node_report import gaps, nodes, uneven
from lockstep.harness.watchdog.presence.registry import Registry
from lockstep.harness.watchdog.ranks.rank_table import SETTLE_S

FAR_SETTLE_S = 3.0  # what a death is given to wake its peers on other hosts; more where a link was cut for longer


class Membership:
    """Keeps the registry, the clocks and the calls. `own`: the identity of the watchdog."""

    def __init__(self, rank_map: RankMap, own: Identity) -> None:
        self.registry = Registry(rank_map.ranks)
        self.liveness_round = LivenessRound()
        self.clocks = HostClocks(own["clock"])
        self._local = rank_map.local
        self._beat_s = beat_s(rank_map.ranks, SILENCE_S)
        self._gap_s = 0.0

    def take(self, head: Head, number: int, message: FromSupervisor) -> None:
        """A message of a supervisor: that it was heard, and what it tells of itself."""
        now_s = head.listening.listened_s
        if isinstance(message, Hello):
            self.registry.join(number, message, now_s)
            self.clocks.join(number, message)
            self._ask_time(head, number)
            if self.liveness_round.number:  # everybody was called before it came, and it would never answer
                head.send(number, Call(self.liveness_round.number))
            return
        entry = self.registry.heard(number, now_s)
        self._gap_s = max(self._gap_s, entry.longest_s)
        if isinstance(message, Here):
            entry.answered = message.number
        elif isinstance(message, Bye):
            entry.said_bye = True
        elif isinstance(message, LauncherLost):
            entry.launcher_lost = message.name
        elif isinstance(message, ClockRead) and self.clocks.exchanged(number, message, time.monotonic_ns()):
            self._ask_time(head, number)

    def look(self, head: Head) -> None:
        """Note whose connections have closed, and ask for the time again."""
        self.registry.listened_s = head.listening.listened_s
        if head.listening.drained:  # else there may be more to read of who has closed
            for number in head.closed():
                self.registry[number].closed = True
        for number in self.clocks.due(time.monotonic()):
            self._ask_time(head, number)

    @property
    def settle_s(self) -> float:
        """What a death is given to wake its peers. What a link that was cut has lost is sent again at growing intervals."""
        return SETTLE_S if self._local else FAR_SETTLE_S + 2 * max(0.0, self._gap_s - 2 * self._beat_s)

    def nodes(self) -> tuple[tuple[NodeReport, ...], list[Finding]]:
        """What is known of the hosts, and what is to be said about them."""
        found = nodes(self.registry, self.clocks)
        return found, [] if self._local else [*uneven(found), *gaps(self.registry, self._beat_s)]

    def _ask_time(self, head: Head, number: int) -> None:
        head.send(number, ReadClock(time.monotonic_ns()))
