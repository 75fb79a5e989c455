"""Puts one rank together and runs it: communicators, KV, model, warm-up, decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engines.minimal.block_manager import BlockManager
from engines.minimal.cache_hand_off import CacheHandOff
from engines.minimal.comm_mpi import MpiCommunicator, alone
from engines.minimal.executor import Executor
from engines.minimal.faults import Faults
from engines.minimal.model_engine import ModelEngine
from engines.minimal.pipeline import Pipeline
from engines.minimal.protocols import Device, KvCache
from engines.minimal.settings import Settings
from engines.minimal.warm_up import WarmUp
from harness.trace import Recorder

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
            self.world = MpiCommunicator.world(recorder, settings.world)
            self.faults = Faults(settings.rank, settings.faults, recorder, self.world.abort)
            self.faults.at("init")
            self._build()

    def _build(self) -> None:
        # Late: importing torch takes a second, and MPI_Init is watched from the first moment.
        import torch

        from engines.minimal.data_plane import Hooks
        from engines.minimal.model import shard

        settings, parallel = self.settings, self.settings.parallel
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        first = settings.rank // parallel.tp * parallel.tp
        members = range(first, first + parallel.tp)
        stages = range(settings.rank % parallel.tp, settings.world, parallel.tp)
        self.tp = self.world.split("tp", members)
        self.pp = self.world.split("pp", stages) if parallel.pp > 1 else alone(self.recorder, settings.rank)
        part = shard(self.tp.rank, parallel.tp, parallel.ep, parallel.attention_dp, self.pp.rank, parallel.pp)
        self.hand_off = CacheHandOff(settings, self.pp, self.recorder)
        hooks = Hooks(lambda: self.faults.at("init", "communicator"), self.faults.between, self.hand_off.choose_one)
        if settings.device == "cuda":
            from engines.minimal.cuda_rank import cuda_device

            gpu = cuda_device(settings, self.recorder, self.world, self.tp, members, part, WEIGHT_SEED, hooks)
            self.faults.device, self.captures = gpu, gpu.captures
            device: Device = gpu
            self.pool: KvCache = gpu.pool
        else:
            from engines.minimal.cpu_rank import cpu_device

            host = cpu_device(settings, self.recorder, self.tp, self.pp, members, stages, part, WEIGHT_SEED, hooks)
            device, self.pool, self.captures = host, host.pool, []
        self.manager = BlockManager(self.pool.blocks, settings.tokens_per_block)
        self.faults.manager = self.manager
        self.engine = ModelEngine(settings, self.tp, device, self.recorder, scratch_block=self.pool.blocks)
        self.pipeline = Pipeline(settings, self.pp, self.recorder, device)

    def warm_up(self) -> WarmsUp:
        """The warm-up, ready to run. Another engine's may take its place."""
        return WarmUp(
            self.settings,
            self.engine,
            self.manager,
            self.tp,
            self.world,
            self.pipeline,
            self.hand_off,
            self.recorder,
            self.faults,
        )

    def run(self) -> dict[str, Any]:
        """Warm up and decode; the rank's result."""
        warm_up = self.warm_up()
        warm_up.run()
        executor = Executor(self.settings, self.engine, self.manager, self.tp, self.recorder, self.faults, self.pipeline)
        replays = self.engine.replays
        with self.recorder.phase("decode"):
            self.faults.at("decode")
            self.engine.device.lazy = self.settings.habits.stage_send == "lazy"
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

    def _all_returned(self) -> bool:
        """Whether every block came back that no fault took away."""
        return self.manager.free_blocks == self.manager.blocks or any(f.kind == "exhaust" for f in self.settings.faults)
