"""From what the watchdog knows of ranks to the snapshot that the judge decides on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lockstep.harness.judge.clock import Clock, Time
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import History
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit, Process, Rules
from lockstep.harness.trace.state import RankOf
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord
from lockstep.harness.watchdog.ranks.rank_table import RankTable


def snapshot(
    rules: Rules,
    ranks: RankTable,
    proof: Proof,
    knot: Sequence[Stuck],
    limit: Limit | None,
    advancing: bool,
    started_s: float,
    now_s: float,
    clock_of: Callable[[int], Clock],
    rank_of: RankOf | None = None,
) -> CaseSnapshot:
    """What is known at this moment. `clock_of`: the clock of a supervisor's host."""
    records = ranks.everybody()
    clocks = {rank: clock_of(record.process[0]) for rank, record in records.items()}
    since_ns = [Time(stuck.wait.since_ns, clocks[stuck.rank]).ours_ns for stuck in knot if stuck.wait.since_ns]
    blocked_s = (time.monotonic_ns() - max(since_ns)) / 1e9 if since_ns else None
    return CaseSnapshot(
        states={rank: record.state for rank, record in records.items()},
        histories={rank: History.read(rank, m.records, m.strings, clocks[rank], rank_of) for rank, m in records.items()},
        processes={rank: _process(record) for rank, record in records.items()},
        comms=ranks.comms.kinds,
        knot=knot,
        limit=limit,
        advancing=advancing,
        last_block_to_verdict_s=blocked_s,
        start_to_verdict_s=now_s - started_s,
        snapshots_judged=proof.judged,
        candidates_refuted=proof.refuted,
        rules=rules,
    )


def _process(record: ProcessRecord) -> Process:
    above = record.origin.above
    return Process(record.host, record.pid, record.exit_code, record.ended_ns, record.oom_killed, record.left, above)
