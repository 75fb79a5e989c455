"""The autotuner, the compiler, stages and the handling of failures, on ranks that are threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lockstep.engines.minimal.base.batch import Shape
from lockstep.engines.minimal.base.json_cache import JsonCache
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.control.variants.step_broadcast import STEP_BROADCAST
from lockstep.engines.minimal.device.host_memory import HostMemory
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.failure.hang_detector import HangDetector
from lockstep.engines.minimal.failure.variants.rank_crash import RANK_CRASH, Means
from lockstep.engines.minimal.model.moe_alltoall import MoeAllToAll
from lockstep.engines.minimal.serving.variants.idle_rank import check_last_token, check_prompts
from lockstep.engines.minimal.spec.settings import Fault
from lockstep.engines.minimal.warmup.autotuner import Autotuner, tactics_of
from lockstep.engines.minimal.warmup.kernels import Kernels
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load_all
from tests.engine.support import LocalPlane, Log, Stuck, TableDevice, ThreadCommunicator, on_groups, on_ranks, settings
from tests.engine.test_control_flow import check_decoded, launch

pytestmark = pytest.mark.slow  # starts processes, or torch

DEP = {"tp": 2, "ep": 2, "attention_dp": True}
NONE = {"preset": "trtllm-before-14126"}


def tune(exchange: str, tokens: list[int], known: dict[int, list[int]], **habits: str) -> list[Any]:
    """Each rank tunes one shape, whose tokens it may already know; what is in its cache, or what it raised."""

    def work(tp: ThreadCommunicator, data: ThreadCommunicator) -> dict[str, int]:
        guards = {**NONE, "tactic_exchange": exchange, **habits}
        mine = settings({"parallel": DEP, "guards": guards}, tp.rank, 2)
        tuner = Autotuner(mine, TableDevice(data, 0), tp, Log())
        tuner.cache.entries.update({str(number): 8 for number in known.get(tp.rank, [])})
        tuner.begin()
        tuner.choose(Shape("max-context", tokens[tp.rank], 0))
        tuner.end()
        return tuner.cache.entries

    return on_groups(2, ("tp", "data"), work, stuck_s=1.0)


@pytest.mark.parametrize("exchange", ["alone", "always", "vote"])
def test_tuning_with_unequal_caches_that_does_not_hang(exchange: str) -> None:
    """Alone, always and vote: a rank that hits and a rank that misses both come through, with a tactic each."""
    assert [set(entries) for entries in tune(exchange, [64, 32], {0: [64]})] == [{"64"}, {"32"}]


@pytest.mark.parametrize("exchange", ["on-miss", "per-tactic"])
def test_tuning_with_unequal_caches_that_hangs(exchange: str) -> None:
    """On-miss and per-tactic: the rank that misses waits for one that does not come."""
    hit, miss = tune(exchange, [64, 32], {0: [64]})
    assert set(hit) == {"64"}
    assert isinstance(miss, Stuck)


def test_tuning_rounds_of_unequal_shapes() -> None:
    """With a collective a tactic, the rank whose shape has more of them waits in a round that its peer never begins."""
    assert len(tactics_of(64)) > len(tactics_of(32))
    longer, shorter = tune("per-tactic", [64, 32], {})
    assert isinstance(longer, Stuck)
    assert set(shorter) == {"32"}


@pytest.mark.parametrize(("memory", "hangs"), [("private", False), ("symmetric", True), ("symmetric-on-all", False)])
def test_symmetric_memory_of_a_rank_that_tunes(memory: str, hangs: bool) -> None:
    """Only symmetric memory that a tuning rank allocates by itself waits for ranks that do not tune."""
    _, miss = tune("alone", [64, 32], {0: [64]}, tuning_memory=memory)
    assert isinstance(miss, Stuck) == hangs


@pytest.mark.parametrize(("sync", "hangs"), [("none", False), ("on-miss", True), ("agree", False)])
def test_compiling_for_new_numbers_of_tokens(sync: str, hangs: bool) -> None:
    """A rank whose batch needs new code meets its peers only if all go by the same answer."""
    changes = {
        "parallel": DEP,
        "config.max_batch_size": 4,
        "config.cuda_graph_config": None,
        "guards": {**NONE, "compile_sync": sync},
        "workload": {"requests": 3, "prompt_tokens": 4},
    }
    ranks = launch(changes, 2, stuck_s=1.0)
    assert (Stuck in {type(rank) for rank in ranks}) == hangs


@pytest.mark.parametrize("barrier", ["group", "world"])
def test_stage_barriers_change_no_result(barrier: str) -> None:
    """With a barrier before each stage the ranks come to the same tokens."""
    check_decoded(launch({"parallel": DEP, "guards": {**NONE, "stage_barrier": barrier}}, 2))


def test_assumed_token_counts_leave_out_the_collective() -> None:
    """Equal ranks may assume their peers' tokens in the warm-up; nothing is gathered for it there."""
    gathered = launch({"parallel": DEP, "guards": NONE}, 2)
    assumed = launch({"parallel": DEP, "guards": {**NONE, "token_counts": "assume"}}, 2)
    check_decoded(assumed)
    assert len(assumed[0].tp.given) < len(gathered[0].tp.given)


def test_a_cache_in_a_file_is_found_by_the_next_launch(tmp_path: Path) -> None:
    """Each rank finds its own file, or all the one that rank 0 wrote; in memory nothing stays."""
    for kept, found in (("rank-file", [{"1": 1}, {"2": 2}]), ("first-rank-file", [{"1": 1}] * 2), ("memory", [{}, {}])):
        for rank in range(2):
            cache = JsonCache.open(str(tmp_path / kept), "autotuner", kept, rank)
            cache.entries[str(rank + 1)] = rank + 1
            if kept != "first-rank-file" or rank == 0:
                cache.save()
        assert [JsonCache.open(str(tmp_path / kept), "autotuner", kept, rank).entries for rank in range(2)] == found


class Aborted(Exception):
    """MPI_Abort was called."""


def abort(code: int) -> None:
    """End the job."""
    raise Aborted(code)


class Everybody:
    """A probe of a job in which all ranks have failed, or this one only."""

    def __init__(self, all_failed: bool) -> None:
        self.all_failed, self.begun = all_failed, False

    def begin(self) -> None:
        """This rank has failed."""
        self.begun = True

    def all_here(self) -> bool:
        """Whether all have."""
        return self.begun and self.all_failed


@pytest.mark.parametrize(
    ("mode", "all_failed", "kills"),
    [
        ("none", False, False),
        ("kill", False, True),
        ("kill-with-grace", False, True),
        ("probe", False, True),
        ("probe", True, False),
    ],
)
def test_what_a_failed_rank_does(mode: str, all_failed: bool, kills: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """It kills its peers or does not; its error is told before, but for a kill at once."""
    crash = RANK_CRASH.variants[mode](Means(0.05, Log(), abort, lambda: Everybody(all_failed)))
    try:
        crash.failed(ValueError("first"))
        killed = False
    except Aborted:
        killed = True
    assert killed == kills
    assert ("ValueError: first" in capsys.readouterr().err) == (mode != "kill")


def test_the_hang_detector_fires_once_nothing_comes_round() -> None:
    """It fires when checkpoints stop, and never when its loop has ended in time."""
    fired = threading.Event()
    with HangDetector(0.05, fired.set, Log()).watching():
        assert fired.wait(10)
    quiet = threading.Event()
    with HangDetector(60.0, quiet.set, Log()).watching():
        pass
    assert not quiet.is_set()


def test_kernels_are_compiled_once_where_they_are_needed() -> None:
    """A fault at a compile happens where the kernel is first needed, and not again."""
    faults = Faults(0, (Fault("raise", 0, "jit", "experts", None, None, None),), Log(), abort)
    kernels = Kernels(faults)
    kernels.need("layer")
    with pytest.raises(RuntimeError, match="fault injected"):
        kernels.need("experts")
    kernels.need("experts")
    assert faults.all_done


def test_host_memory_is_refused_by_the_kernel() -> None:
    """A workspace within the limit is had, one beyond it is a MemoryError, and afterwards there is memory again."""
    memory = HostMemory(256 << 20)
    memory.workspace(16 << 20)
    with pytest.raises(MemoryError, match="workspace of"):
        memory.workspace(1 << 30)
    memory.workspace(16 << 20)
    HostMemory(None).workspace(1 << 20)


def test_dispatch_and_combine_alternate() -> None:
    """A second dispatch, and a combine without one, are errors; after a reset there may be a dispatch again."""
    import torch

    exchange, one = MoeAllToAll(LocalPlane()), torch.ones(1)
    exchange.dispatch(one, one, [1], [1], "layer=0")
    with pytest.raises(RuntimeError, match="dispatch of layer=0 while that of layer=0 has had no combine"):
        exchange.dispatch(one, one, [1], [1], "layer=0")
    exchange.combine(one, one, [1], [1], "layer=0")
    with pytest.raises(RuntimeError, match="without a dispatch"):
        exchange.combine(one, one, [1], [1], "layer=0")
    exchange.dispatch(one, one, [1], [1], "layer=0")
    exchange.reset()
    exchange.dispatch(one, one, [1], [1], "layer=1")


def test_an_idle_batch_is_none_of_prompts() -> None:
    """Without rows there is no list of lengths, and no last token of none."""
    with pytest.raises(TypeError):
        check_prompts([])
    with pytest.raises(IndexError):
        check_last_token(StepOutput((5,), ((),)), tokens=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config.moe_workspace_bytes": 1}, "config.moe_workspace_bytes works on the CPU only"),
        ({"config.data_plane_timeout_s": {"serve": 1.5}}, "config.data_plane_timeout_s works on the CPU only"),
        ({"cpu.memory_bytes": 1}, "cpu.memory_bytes works on the CPU only"),
        ({"cpu.memory_bytes": [1, 2], "device": "cpu"}, "has 2 values for 1 ranks"),
        ({"faults": [{"kind": "raise", "rank": 0, "phase": "clock", "launch": 2}]}, "there is no launch 2; launches is 1"),
        ({"expect": [{"outcome": "success", "launch": 3}], "launches": 2}, "there is no launch 3; launches is 2"),
        ({"launches": 0}, "launches: "),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    """What only the CPU has, and launches that there are not, are mistakes of the scenario."""
    with pytest.raises(ScenarioError) as caught:
        load_all(["tests/engine/base.yaml"], changes)
    assert message in str(caught.value)


def share(tmp_path: Path, late: bool, checks_after: bool) -> list[Any]:
    """Two ranks broadcast twice, the second of them late the first time or not; what each had, or what it raised."""
    gone = threading.Event()

    def work(comm: ThreadCommunicator) -> list[int]:
        timeout_s = 0.2 if late else 30.0
        made = STEP_BROADCAST.variants["checked" if checks_after else "checked-late"]
        broadcast = made(Log(), range(2), comm.rank, tmp_path / "broadcast", timeout_s)
        try:
            if late and comm.rank == 1:
                gone.wait(30)
            return [broadcast.share(10 * number + comm.rank) for number in range(2)]
        finally:
            gone.set()

    return on_ranks(2, work)


def test_a_broadcast_tells_the_first_ranks_value(tmp_path: Path) -> None:
    """Both ranks have what the first one gave, each time."""
    assert share(tmp_path, late=False, checks_after=False) == [[0, 10], [0, 10]]


def test_a_broadcast_that_was_given_up_ends_the_late_rank(tmp_path: Path) -> None:
    """The first rank goes on after its deadline, and fails when the next begins; who comes late sees the flag at once."""
    first, late = share(tmp_path, late=True, checks_after=False)
    assert str(first) == "broadcast 2 was given up"
    assert str(late) == "broadcast 1 was given up"


def test_a_flag_that_is_looked_at_ends_both(tmp_path: Path) -> None:
    """With the check behind the broadcast the first rank ends in the one that it gave up."""
    first, late = share(tmp_path, late=True, checks_after=True)
    assert str(first) == str(late) == "broadcast 1 was given up"
