"""Figures of the device cuda: replay against eager, capture, breadcrumbs, graph memory, and verdicts on hung replays.

`python -m benchmarks.gpu` on a machine with a GPU prints JSON; with the folder of a run, the baseline of both.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lockstep.engines.minimal.comm.breadcrumbs import Breadcrumbs
from lockstep.harness.report.baseline import baseline
from lockstep.harness.report.store import RunStore
from tests.engine.support import LocalPlane
from tests.gpu.support import device, nccl, recorder_on, step
from tests.gpu.test_graphs import SIZES, pool_bytes

ROUNDS = 30
MARKS = 200
HUNG = "scenarios/gpu/skipped-replay.yaml"


def measure(rounds: int = 5) -> dict[str, float]:
    """Milliseconds, microseconds, MiB and ratios, medians; verdicts from so many rounds of hangs inside a replay."""
    found: dict[str, float] = {}
    gpu = device(LocalPlane())
    chance = random.Random(1)
    kept = []  # a pool without graphs is gone
    for size in SIZES[::-1]:
        first = step(chance, size, "greedy", 4)
        eager = _milliseconds(partial(gpu.eager, first))
        graph = gpu.capture(first, f"rows={size}")
        kept.append(graph)
        replay = _milliseconds(partial(graph.replay, first))
        found |= {f"eager step ms, {size} rows": eager, f"replayed step ms, {size} rows": replay}
        found[f"replay against eager, {size} rows"] = replay / eager
    found["capture of a graph ms"] = statistics.median(float(capture["capture_s"]) for capture in gpu.captures) * 1e3
    largest_first, smallest_first = pool_bytes(SIZES[::-1])[-1], pool_bytes(SIZES)[-1]
    found |= {
        "graph pool MiB, largest first": largest_first / 2**20,
        "graph pool MiB, smallest first": smallest_first / 2**20,
    }
    found |= _breadcrumb_cost()
    times = _verdict_times(rounds)
    found |= {"block to proved verdict s, median": statistics.median(times), "block to proved verdict s, most": max(times)}
    return found


def _milliseconds(work: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS + 3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:]) * 1e3


def _breadcrumb_cost() -> dict[str, float]:
    """Microseconds that a collective's two marks take in a graph; and a step over NCCL with them against one without."""
    recorder = recorder_on()
    comm = recorder.comm("local", "alone", [0], device="compute")
    times: dict[bool, float] = {}
    for on in (False, True):
        crumbs = Breadcrumbs(recorder, on)
        tensor, graph, stream = torch.zeros(64, device="cuda"), torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            graph.capture_begin()
            for _ in range(MARKS):
                with crumbs.around(comm, "any"):
                    tensor.add_(1)
            graph.capture_end()
            times[on] = _milliseconds(partial(_replay, graph))
        if on:
            torch.cuda.cudart().cudaHostUnregister(crumbs._host.data_ptr())  # type: ignore[no-untyped-call]
    cost = (times[True] - times[False]) / MARKS * 1e3
    steps = {on: _nccl_step(on) for on in (False, True)}
    return {
        "breadcrumbs us a captured collective": cost,
        "step with breadcrumbs against without": steps[True] / steps[False],
    }


def _replay(graph: torch.cuda.CUDAGraph) -> None:
    graph.replay()
    torch.cuda.synchronize()


def _nccl_step(breadcrumbs: bool) -> float:
    recorder = recorder_on(1 << 16)
    gpu = device(nccl(recorder, breadcrumbs), recorder)
    first = step(random.Random(2), 8, "greedy", 4)
    graph = gpu.capture(first, "rows=8")
    return _milliseconds(partial(graph.replay, first))


def _verdict_times(rounds: int) -> list[float]:
    """Seconds from the last block to the proved verdict, every case of the scenario so many times."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            command = [
                sys.executable,
                "-m",
                "lockstep.harness.cli",
                "run",
                HUNG,
                "--reports",
                folder,
                "--run-id",
                str(number),
            ]
            subprocess.run(command, check=True, capture_output=True)
            verdicts = [json.loads(path.read_bytes()) for path in Path(folder, str(number), "cases").glob("*/verdict.json")]
            times += [float(verdict["last_block_to_verdict_s"]) for verdict in verdicts]
    return times


if __name__ == "__main__":
    figures = measure()
    if sys.argv[1:]:
        store = RunStore.open(Path(sys.argv[1]))
        print(json.dumps(baseline(store.run, store.lines) | {"figures": figures}, indent=1))
    else:
        print(json.dumps(figures, indent=1))
