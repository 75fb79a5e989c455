"""From the watchdog's members to the picture that the judge decides on."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.judge.graph import Stuck
from harness.judge.history import History
from harness.judge.picture import Limit, Picture, Process
from harness.trace.state import RankOf
from harness.watch.members import Members
from harness.watch.proof import Proof


def picture(
    members: Members,
    proof: Proof,
    knot: Sequence[Stuck],
    limit: Limit | None,
    advancing: bool,
    started_s: float,
    now_s: float,
    rank_of: RankOf | None = None,
) -> Picture:
    """The picture at this moment."""
    since_ns = [stuck.wait.since_ns + members[stuck.rank].clock_ns for stuck in knot]
    blocked_s = (time.time_ns() - max(since_ns)) / 1e9 if since_ns else None
    return Picture(
        states=members.states(),
        # A program runs on this host, and deaths are timed by its clock.
        histories={
            rank: History.read(rank, m.records, m.strings, 0 if rank_of else m.clock_ns, rank_of) for rank, m in members
        },
        processes={rank: Process(m.host, m.pid, m.exit_code, m.ended_s, m.oom_killed) for rank, m in members},
        comms=members.kinds,
        knot=knot,
        limit=limit,
        advancing=advancing,
        last_block_to_verdict_s=blocked_s,
        start_to_verdict_s=now_s - started_s,
        snapshots_judged=proof.judged,
        candidates_refuted=proof.refuted,
    )
