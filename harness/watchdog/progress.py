"""Slow or stuck: what milestones, finished operations and choices say about ranks that no proof reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.harness.trace.state import RankState, Status

LIVELOCK_TURNS = 50  # a rank with fewer in the window is waiting or busy, not turning in circles


@dataclass(slots=True)
class Progress:
    """Follows milestones over time. Times are seconds of one monotonic clock."""

    started_s: float
    milestones: int = -1
    milestone_s: float = 0.0
    turns: dict[int, int] = field(default_factory=dict)  # by rank at the last milestone
    since_ns: dict[int, int] = field(default_factory=dict)  # ... and its last event then, or its first, by its own clock

    def update(self, states: dict[int, RankState], now_s: float) -> None:
        """Note the present states."""
        total = sum(state.milestones for state in states.values())
        if total != self.milestones or len(self.turns) != len(states):
            self.milestones = total
            self.milestone_s = now_s
            self.turns = {rank: state.turns for rank, state in states.items()}
            self.since_ns = {rank: state.last_ns for rank, state in states.items() if state.last_ns}
        for rank in states.keys() - self.since_ns.keys():
            if states[rank].last_ns:  # its first events
                self.since_ns[rank] = states[rank].last_ns

    def update_by_events(self, states: dict[int, RankState], now_s: float) -> None:
        """The same for programs that have no milestones: every event counts."""
        total = sum(state.number for state in states.values())
        if total != self.milestones:
            self.milestones, self.milestone_s = total, now_s

    def livelock(self, states: dict[int, RankState], window_s: float) -> bool:
        """Whether for `window_s` every live rank finished operations or made choices, and none reached a milestone.

        By the times of their events: a watchdog that is behind with reading says so later, and of nothing else.
        """
        live = [state for state in states.values() if state.status is Status.RUNNING]
        return bool(live) and all(
            state.turns - self.turns.get(state.rank, 0) >= LIVELOCK_TURNS
            and state.last_ns - self.since_ns.get(state.rank, state.last_ns) >= window_s * 1e9
            for state in live
        )

    def advancing(self, now_s: float, window_s: float) -> bool:
        """Whether a milestone was reached within the last `window_s`."""
        return self.milestones > 0 and now_s - self.milestone_s < window_s
