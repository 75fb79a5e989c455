"""Faults really happen, once, where they should."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.failure.faults import Faults, LeaveEarly
from lockstep.engines.minimal.spec.settings import Fault
from tests.engine.support import Log
from tests.engine.test_control_flow import ISSUE_14986, check_decoded, launch


def fault(kind: str, shape: str | None = None, seconds: float | None = None, code: int | None = None) -> Fault:
    """A fault of rank 1 in the general phase."""
    return Fault(kind, 1, "general", shape, seconds, code, leave=2)


def on_rank_1(*faults: Fault, manager: BlockManager | None = None) -> Faults:
    """The faults as rank 1 has them."""
    return Faults(1, faults, Log(), lambda code: None, manager)


def test_a_fault_happens_once_at_its_place() -> None:
    """Not in another phase, not at another shape, not on another rank, and not again."""
    late = fault("raise", shape="bs=16 greedy")
    faults = on_rank_1(late)
    faults.at("general")
    faults.at("autotuner", "bs=16 draft=3 greedy")
    faults.at("general", "bs=1 draft=3 greedy")
    faults.at("general", "bs=16 draft=3 advanced")
    Faults(0, (late,), Log(), lambda code: None).at("general", "bs=16 draft=3 greedy")
    assert not faults.all_done
    with pytest.raises(RuntimeError, match="rank 1"):
        faults.at("general", "bs=16 draft=3 greedy")
    faults.at("general", "bs=16 draft=3 greedy")
    assert faults.all_done


def test_a_fault_without_shape_happens_when_the_phase_begins() -> None:
    """It does not wait for the first shape, nor happen there."""
    faults = on_rank_1(fault("return"))
    faults.at("general", "one-context")
    with pytest.raises(LeaveEarly):
        faults.at("general")


def test_delay_is_busy_for_its_time() -> None:
    """The core is used throughout: a slow rank is not a sleeping one."""
    wall, cpu = time.monotonic(), time.thread_time()
    on_rank_1(fault("delay", seconds=0.3)).at("general")
    assert time.monotonic() - wall >= 0.3
    assert time.thread_time() - cpu > 0.03


def test_abort_tells_before_it_ends_the_job() -> None:
    """MPI_Abort gets the code, after the recorder."""
    codes: list[int] = []

    class Told(Log):
        def abort(self, code: int, patience_s: float = 2.0) -> None:
            codes.append(-code)

    Faults(1, (fault("abort", code=3),), Told(), codes.append).at("general")
    assert codes == [-3, 3]


def test_exhaust_leaves_so_many_blocks() -> None:
    """All free blocks but those are gone."""
    manager = BlockManager(8, 4)
    on_rank_1(fault("exhaust"), manager=manager).at("general")
    assert manager.free_blocks == 2


def test_exhaust_at_a_shape_meets_that_shape() -> None:
    """The request of the shape itself finds the blocks gone, as do all later ones."""
    taken = {"kind": "exhaust", "rank": 3, "phase": "generation_capture", "shape": "bs=16 greedy", "leave": 12}
    guards = {"preset": "trtllm-14126", "generation_capture": "sync-skip"}
    ranks = launch({**ISSUE_14986, "kv_capacity": {"blocks": 96}, "guards": guards, "faults": [taken]})
    check_decoded(ranks)
    assert ranks[0].warm_up.captured == {"generation_capture": [32, 8, 4, 2, 1]}
    assert ranks[0].warm_up.skipped == {"generation_capture": [16]}
    asked = [detail for site, key, _, detail in ranks[3].log.decisions if key == "bs=16 draft=3 greedy"]
    assert asked == ["free_blocks=12 needed_blocks=16 num_tokens=64 reason=blocks"]


PROGRAM = """
import sys, threading, time
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.spec.settings import Fault
from lockstep.harness.trace import Recorder

ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.01)

if "ticks" in sys.argv:
    threading.Thread(target=tick, daemon=True).start()
    time.sleep(0.1)
print("begun", flush=True)
fault = Fault(sys.argv[1], 0, "clock", None, 1.0, 7, None)
Faults(0, (fault,), Recorder.attach({}), lambda code: None).at("clock")
if ticks:
    time.sleep(0.1)
print(max([b - a for a, b in zip(ticks, ticks[1:])], default=0), flush=True)
"""


def start(kind: str, *options: str) -> subprocess.Popen[str]:
    """A process that meets a fault."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, kind, *options], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("kind", "status"), [("exit", 7), ("kill", -signal.SIGKILL), ("segv", -signal.SIGSEGV)])
def test_death(kind: str, status: int) -> None:
    """The process is gone at once, in the way that was asked for."""
    with start(kind) as process:
        assert process.wait(20) == status


def test_gil_stops_all_threads() -> None:
    """No other thread of the process runs meanwhile."""
    with start("gil", "ticks") as process:
        lines = process.communicate(timeout=20)[0].split()
    assert float(lines[1]) > 0.9


def test_stop_is_continued() -> None:
    """The process is stopped by a signal, and goes on by itself after its time."""
    with start("stop") as process:
        states: set[str] = set()
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                states.add(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0])

        watcher = threading.Thread(target=look)
        watcher.start()
        process.stdout.readline()  # type: ignore[union-attr]
        line = process.stdout.readline()  # type: ignore[union-attr]
        done.set()
        watcher.join()
        assert line.strip() == "0"
        assert process.wait(20) == 0
    assert "T" in states


def test_spin_never_ends() -> None:
    """An endless loop in Python: alive, running, and without a way out."""
    with start("spin") as process:
        assert process.stdout.readline().strip() == "begun"  # type: ignore[union-attr]
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
