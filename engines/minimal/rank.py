"""Puts one rank together and runs it: communicators, KV, model, warm-up, decoding."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.comm.groups import Groups
from lockstep.engines.minimal.comm.mpi import MpiCommunicator, MpiCrashProbe, alone
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.control.request_feed import RequestFeed
from lockstep.engines.minimal.control.variants.step_broadcast import STEP_BROADCAST, Broadcast
from lockstep.engines.minimal.data_parallel.drafter import Drafter
from lockstep.engines.minimal.data_parallel.engine_core import DpEngineCore
from lockstep.engines.minimal.data_parallel.inbox import Inbox
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.failure.hang_detector import HangDetector
from lockstep.engines.minimal.failure.variants.on_hang import ON_HANG
from lockstep.engines.minimal.failure.variants.rank_crash import RANK_CRASH, Means
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.kv.variants.quota import KV_QUOTA
from lockstep.engines.minimal.serving.executor import Executor
from lockstep.engines.minimal.serving.generation import Generation
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.autotuner import Autotuner
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.minimal.warmup.kernels import Kernels
from lockstep.engines.minimal.warmup.variants.first_touch import FIRST_TOUCH
from lockstep.engines.minimal.warmup.warm_up import WarmUp
from lockstep.harness.trace import Recorder

if TYPE_CHECKING:
    from lockstep.engines.minimal.device.hardware import Hardware


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
        self.settings, self.recorder = settings, recorder
        with recorder.phase("init"):
            threads = settings.timeouts.hang_detection_s is not None
            self.world = MpiCommunicator.world(recorder, settings.world, threads)
            self.faults = Faults(settings.rank, settings.faults, recorder, self.world.abort)
            self.kernels = Kernels(self.faults)
            means = Means(settings.timeouts.crash_grace_s, recorder, self.world.abort, self._crash_probe)
            self.crash = RANK_CRASH.of(settings)(means)
            self.detector = self._hang_detector()
            self.faults.at("init")
            self.groups = Groups(settings, self.world, recorder)
            self.feed = RequestFeed(settings, self.groups.attention)
            self.hand_off = CacheHandOff(settings, self.groups.pp, recorder)
            self.hardware = self._hardware()
            self.context = self._context()
            self.core = self.groups.core()
            self.autotuner = Autotuner(settings, self.hardware.device, self.groups.tp, recorder)

    def _crash_probe(self) -> MpiCrashProbe:
        return MpiCrashProbe(self.world.duplicate("crash"), self.recorder)

    def _hang_detector(self) -> HangDetector:
        seconds = self.settings.timeouts.hang_detection_s
        if seconds is None:
            return HangDetector(None, lambda: None, self.recorder)
        return HangDetector(seconds, ON_HANG.of(self.settings)(self.world, self.recorder).fired, self.recorder)

    def _hardware(self) -> Hardware:
        # Late: importing torch takes a second, and MPI_Init is watched from the first moment.
        from lockstep.engines.minimal.comm.data_plane import Hooks
        from lockstep.engines.minimal.device.hardware import Hardware

        hooks = Hooks(
            before_meeting=lambda: self.faults.at("init", "communicator"),
            before=self._before,
            between=self._between,
            before_experts=self.hand_off.choose_one,
        )
        return Hardware.make(self.settings, self.recorder, self.groups, hooks)

    def _context(self) -> RankContext:
        """What the second of upstream's executors stands on, the one that serves."""
        settings, recorder, hardware, tp = self.settings, self.recorder, self.hardware, self.groups.tp
        quota = KV_QUOTA.of(settings).blocks(hardware.pool.blocks, self.world, "kv quota")
        manager = BlockManager(quota, settings.kv.tokens_per_block)
        self.faults.manager, self.faults.device = manager, hardware.faulty
        return RankContext(
            settings=settings,
            recorder=recorder,
            faults=self.faults,
            tp=tp,
            world=self.world,
            pipeline=Pipeline(settings, self.groups.pp, recorder, hardware.device),
            engine=ModelEngine(settings, tp, hardware.device, recorder, scratch_block=hardware.pool.blocks),
            manager=manager,
            pool=hardware.pool,
        )

    def warm_up(self, context: RankContext) -> WarmsUp:
        """The warm-up of one of upstream's executors, ready to run. Another engine's may take its place."""
        return WarmUp(context, self.hand_off, self.autotuner)

    def run(self) -> dict[str, Any]:
        """Warm up and decode; the rank's result."""
        settings, context, plane = self.settings, self.context, self.hardware.plane
        plane.deadline(settings.timeouts.warm_up_s)
        FIRST_TOUCH.of(settings).begin(self.kernels.compile_all, context.tp, self.recorder)
        self._estimate()
        warm_up = self.warm_up(context)
        warm_up.run()
        plane.deadline(settings.timeouts.serve_s)
        executor = self._executor()
        replays = context.engine.replays
        with self.recorder.phase("decode"):
            self.faults.at("decode")
            context.pipeline.begin()
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
            "replays": context.engine.replays - replays,
            "kv": {"blocks": context.pool.blocks, "bytes": context.pool.bytes},
            "captures": self.hardware.captures,
        }

    def _estimate(self) -> None:
        """The first of upstream's two executors: it warms up on a small pool, and leaves what its autotuner has found."""
        if not self.settings.warm_up.estimate_kv_cache:
            return
        settings, tp, device, own = self.settings, self.context.tp, self.hardware.device, self.context.engine
        with self.hardware.estimation as pool:
            manager = BlockManager(pool.blocks, settings.kv.tokens_per_block)
            # What a process has compiled stays.
            engine = ModelEngine(settings, tp, device, self.recorder, pool.blocks, own.compiler)
            self.warm_up(replace(self.context, engine=engine, manager=manager, pool=pool)).run()

    def _executor(self) -> Executor | DpEngineCore | Generation:
        settings, context = self.settings, self.context
        if settings.data_parallel.zero_stage == 3:
            return Generation(context)
        if settings.data_parallel.backend is None:
            return Executor(context, self.feed, self._broadcast(), self.detector.checkpoint)
        drafter = None
        if settings.drafts.length:
            # Under attention DP the attention's tensor-parallel group is this rank alone.
            drafter = Drafter(context, alone(self.recorder, settings.rank))
        return DpEngineCore(context, self.core, Inbox(list(settings.workload.messages)), drafter)

    def _broadcast(self) -> Broadcast:
        """That of the requests' steps; ranks of a host share the job's own temporary folder."""
        members, tp = self.groups.members, self.groups.tp
        path = Path(tempfile.gettempdir()) / f"step-broadcast-{members.start}"
        timeout_s = self.settings.timeouts.step_broadcast_s
        return STEP_BROADCAST.of(self.settings)(self.recorder, members, tp.rank, path, timeout_s)

    def _before(self, layer: str) -> None:
        self.faults.before(layer)
        self.kernels.need("layer")

    def _between(self, layer: str) -> None:
        self.faults.between(layer)
        self.kernels.need("experts")

    def _all_returned(self) -> bool:
        """Whether every block came back that no fault took away."""
        manager = self.context.manager
        return manager.free_blocks == manager.blocks or any(f.kind == "exhaust" for f in self.settings.faults)
