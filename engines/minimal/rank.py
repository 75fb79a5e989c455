"""Puts one rank together and runs it: communicators, KV, model, warm-up, decoding."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Device, KvCache
from lockstep.engines.minimal.comm.mpi import MpiCommunicator, MpiCrashProbe, alone
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.control.request_feed import RequestFeed
from lockstep.engines.minimal.control.step_broadcast import Broadcast, NoBroadcast, StepBroadcast
from lockstep.engines.minimal.data_parallel.drafter import Drafter
from lockstep.engines.minimal.data_parallel.engine_core import DpEngineCore
from lockstep.engines.minimal.data_parallel.inbox import Inbox
from lockstep.engines.minimal.data_parallel.model_runner import DpModelRunner
from lockstep.engines.minimal.failure.crash import CODE, Crash
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.failure.hang_detector import HangDetector
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.serving.executor import Executor
from lockstep.engines.minimal.serving.generation import Generation
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.autotuner import Autotuner
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.minimal.warmup.kernels import Kernels
from lockstep.engines.minimal.warmup.parts import Parts
from lockstep.engines.minimal.warmup.warm_up import WarmUp
from lockstep.harness.trace import Recorder

if TYPE_CHECKING:
    from lockstep.engines.minimal.comm.data_plane import DataPlane

WEIGHT_SEED = 1234


class WarmsUp(Protocol):
    """A warm-up, and what it captured and skipped by phase."""

    @property
    def captured(self) -> Mapping[str, Sequence[int]]:
        """Sizes with a graph."""

    @property
    def skipped(self) -> Mapping[str, Sequence[int | str]]:
        """Sizes and shapes without."""

    def run(self) -> None:
        """All phases, once."""


class Rank:
    """One rank of the minimal engine."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        with recorder.phase("init"):
            threads = settings.timeouts.hang_detection_s is not None
            self.world = MpiCommunicator.world(recorder, settings.world, threads)
            self.faults = Faults(settings.rank, settings.faults, recorder, self.world.abort)
            self.kernels = Kernels(self.faults)
            self.crash = self._crash()
            self.detector = self._hang_detector()
            self.faults.at("init")
            self._build()

    def _crash(self) -> Crash:
        mode, probe = self.settings.habits.rank_crash, None
        if mode == "probe":
            probe = MpiCrashProbe(self.world.duplicate("crash"), self.recorder)
        return Crash(mode, self.settings.timeouts.crash_grace_s, self.recorder, self.world.abort, probe)

    def _hang_detector(self) -> HangDetector:
        """Upstream's first one shut down in order, which waits for ranks that cannot come (#15612)."""
        seconds, on_detected = self.settings.timeouts.hang_detection_s, self._abort
        if seconds is not None and self.settings.habits.on_hang == "graceful":
            on_detected = self.world.duplicate("shutdown").barrier
        return HangDetector(seconds, on_detected, self.recorder)

    def _abort(self) -> None:
        self.recorder.abort(CODE)
        self.world.abort(CODE)

    def _build(self) -> None:
        # Late: importing torch takes a second, and MPI_Init is watched from the first moment.
        import torch

        from lockstep.engines.minimal.comm.data_plane import Hooks
        from lockstep.engines.minimal.device.estimation import Estimation
        from lockstep.engines.minimal.model.decoder import shard

        settings, parallel = self.settings, self.settings.parallel
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        first = settings.rank // parallel.tp * parallel.tp
        members = range(first, first + parallel.tp)
        stages = range(settings.rank % parallel.tp, settings.world, parallel.tp)
        self.tp = self.world.split("tp", members)
        self.pp = self.world.split("pp", stages) if parallel.pp > 1 else alone(self.recorder, settings.rank)
        part = shard(
            self.tp.rank, parallel.tp, parallel.ep, parallel.attention_dp, self.pp.rank, parallel.pp, parallel.attention_tp
        )
        self.feed = RequestFeed(settings, self._attention_group()) if parallel.attention_tp > 1 else None
        self.hand_off = CacheHandOff(settings, self.pp, self.recorder)
        hooks = Hooks(
            before_meeting=lambda: self.faults.at("init", "communicator"),
            before=self._before,
            between=self._between,
            before_experts=self.hand_off.choose_one,
        )
        if settings.device.kind == "cuda":
            from lockstep.engines.minimal.device.cuda_setup import cuda_device

            gpu = cuda_device(settings, self.recorder, self.world, self.tp, members, part, WEIGHT_SEED, hooks)
            self.faults.device, self.captures = gpu, gpu.captures
            device: Device = gpu
            self.plane: DataPlane = gpu.plane
            self.pool: KvCache = gpu.pool
            self.estimation = Estimation(gpu, settings, part, gpu.memory)
        else:
            from lockstep.engines.minimal.device.cpu_setup import cpu_device

            host = cpu_device(settings, self.recorder, self.tp, self.pp, members, stages, part, WEIGHT_SEED, hooks)
            device, self.plane, self.pool, self.captures = host, host.plane, host.pool, []
            self.estimation = Estimation(host, settings, part)
        self.device = device
        self.manager = BlockManager(self._quota(), settings.kv.tokens_per_block)
        self.faults.manager = self.manager
        self.engine = ModelEngine(settings, self.tp, device, self.recorder, scratch_block=self.pool.blocks)
        # As in vLLM engine cores agree over a group of their own, unless one process is core and worker.
        own_group = settings.data_parallel.backend in ("mp", "ray")
        self.core = self.world.split("core", members) if own_group else self.tp
        self.pipeline = Pipeline(settings, self.pp, self.recorder, device)
        self.autotuner = Autotuner(settings, device, self.tp, self.recorder)

    def warm_up(self, engine: ModelEngine, manager: BlockManager) -> WarmsUp:
        """The warm-up of one of upstream's executors, ready to run. Another engine's may take its place."""
        return WarmUp(**self.parts(engine, manager).shared(), autotuner=self.autotuner)

    def parts(self, engine: ModelEngine, manager: BlockManager) -> Parts:
        """What a warm-up of this executor stands on."""
        where = (self.tp, self.world, self.pipeline, self.hand_off)
        return Parts(self.settings, engine, manager, *where, self.recorder, self.faults)

    def run(self) -> dict[str, Any]:
        """Warm up and decode; the rank's result."""
        self.plane.deadline(self.settings.timeouts.warm_up_s)
        if self.settings.habits.first_touch == "prewarm":
            with self.recorder.phase("prewarm"):
                self.kernels.prewarm(self.tp)
        self._estimate()
        warm_up = self.warm_up(self.engine, self.manager)
        warm_up.run()
        self.plane.deadline(self.settings.timeouts.serve_s)
        executor = self._executor()
        replays = self.engine.replays
        with self.recorder.phase("decode"):
            self.faults.at("decode")
            self.engine.device.lazy = self.settings.habits.stage_send == "lazy"
            with self.detector.watching():
                tokens = executor.run()
        return {
            "tokens": tokens,
            "checks": {
                "graph_equals_eager": executor.equal,
                "kv_returned": self._all_returned(),
                "faults_happened": self.faults.all_done,  # a phase or shape that never came would show nothing
            },
            "captured": warm_up.captured,
            "skipped": warm_up.skipped,
            "replays": self.engine.replays - replays,
            "kv": {"blocks": self.pool.blocks, "bytes": self.pool.bytes},
            "captures": self.captures,
        }

    def _executor(self) -> Executor | DpEngineCore | Generation:
        settings, recorder = self.settings, self.recorder
        if settings.data_parallel.zero_stage == 3:
            return Generation(settings, self.engine, self.manager, self.tp, self.world, recorder, self.faults)
        if settings.data_parallel.backend is None:
            return Executor(
                settings,
                self.engine,
                self.manager,
                self.tp,
                recorder,
                self.faults,
                self.pipeline,
                self.world,
                self.pool,
                self.detector.checkpoint,
                self.feed,
                self._broadcast(),
            )
        runner = DpModelRunner(settings, self.engine, self.tp, recorder)
        scheduler = Scheduler(settings, self.engine, self.manager, self.tp, recorder)
        inbox = Inbox(list(settings.workload.messages))
        core = DpEngineCore(settings, runner, scheduler, self.core, self.world, self.pool, recorder, self.faults, inbox)
        if settings.drafts.length:
            # Under attention DP the attention's tensor-parallel group is this rank alone.
            core.drafter = Drafter(settings, self.engine, self.tp, alone(recorder, settings.rank), recorder)
        return core

    def _attention_group(self) -> MpiCommunicator:
        """The ranks that share this rank's requests."""
        size = self.settings.parallel.attention_tp
        first = self.settings.rank // size * size
        return self.world.split("attention", range(first, first + size))

    def _quota(self) -> int:
        """KV blocks that this rank hands out: what its own pool holds, or what every rank's does."""
        if self.settings.habits.kv_quota == "own":
            return self.pool.blocks
        return min(map(int, self.world.allgather(self.pool.blocks, "kv quota")))

    def _estimate(self) -> None:
        """The first of upstream's two executors: it warms up on a small pool, and leaves what its autotuner has found."""
        if not self.settings.warm_up.estimate_kv_cache:
            return
        with self.estimation as pool:
            manager = BlockManager(pool.blocks, self.settings.kv.tokens_per_block)
            engine = ModelEngine(self.settings, self.tp, self.device, self.recorder, scratch_block=pool.blocks)
            engine.compiler = self.engine.compiler  # what a process has compiled stays
            self.warm_up(engine, manager).run()

    def _broadcast(self) -> Broadcast:
        """That of the requests' steps; ranks of a host share the job's own temporary folder."""
        settings = self.settings
        if settings.habits.step_broadcast == "none":
            return NoBroadcast()
        first = settings.rank // self.tp.size * self.tp.size
        path = Path(tempfile.gettempdir()) / f"step-broadcast-{first}"
        checks_after = settings.habits.step_broadcast == "checked"
        members = range(first, first + self.tp.size)
        return StepBroadcast(self.recorder, members, self.tp.rank, path, settings.timeouts.step_broadcast_s, checks_after)

    def _before(self, layer: str) -> None:
        self.faults.before(layer)
        self.kernels.need("layer")

    def _between(self, layer: str) -> None:
        self.faults.between(layer)
        self.kernels.need("experts")

    def _all_returned(self) -> bool:
        """Whether every block came back that no fault took away."""
        return self.manager.free_blocks == self.manager.blocks or any(f.kind == "exhaust" for f in self.settings.faults)
