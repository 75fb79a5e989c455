"""What the judge takes for a verdict on thousands of ranks, on one core and without a network: `... decision [RANKS]`.

Seconds of CPU for the steps of a simulated start-up that ends in a deadlock (see benchmarks/watchdog_load.py).
"""

from __future__ import annotations

import json
import sys
import time

from lockstep.harness.judge.clock import OURS
from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.engine_rules import EngineRules
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.engine_ranks import EngineRanks
from lockstep.harness.watchdog.ranks.process_table import ENGINE
from lockstep.harness.watchdog.snapshot import snapshot
from tests.watchdog.simulated_start import simulate
from tests.watchdog.simulated_supervisors import FEW_BLOCKS, SimulatedRank

EP = 64


def measure(ranks: int = 1000) -> dict[str, float]:
    """Seconds of CPU by step, events, and bytes of the verdict. Raises RuntimeError when another rank is blamed."""
    lacking = ranks // 2 + 3
    start = simulate(ranks, {lacking: FEW_BLOCKS}, ep=EP)
    table, fold_s = EngineRanks(ranks), 0.0
    for rank in range(ranks):
        delta = SimulatedRank(rank, ranks, EP, start.scripts[rank]).all_at_once()
        table.joined(rank, "host", 1)
        began_s = time.process_time()
        table.take((rank, ENGINE), delta, 0.0)
        fold_s += time.process_time() - began_s
    proof, times = Proof(table), [time.process_time()]
    proof.look()
    times.append(time.process_time())
    seen = snapshot(EngineRules(), table, proof, proof.candidate, None, True, 0.0, 1.0, lambda rank: OURS)
    times.append(time.process_time())
    verdict = decide(seen)
    times.append(time.process_time())
    size = len(json.dumps(verdict.to_json()))
    times.append(time.process_time())
    if verdict.blame is None or verdict.blame.ranks != (lacking,) or len(verdict.knot) < len(start.blocked):
        raise RuntimeError(verdict.text)
    steps = ("one look s", "histories s", "decision with its reasons s", "as JSON s")
    taken = {name: after - before for name, before, after in zip(steps, times, times[1:], strict=False)}
    facts = {"events": float(verdict.events), "folding the events s": fold_s}
    return {**facts, **taken, "verdict, MB": size / 1e6}


if __name__ == "__main__":
    for name, value in measure(*map(int, sys.argv[1:])).items():
        print(f"{name}: {value:.4g}")
