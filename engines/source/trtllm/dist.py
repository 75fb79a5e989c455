"""Stand-ins of TensorRT-LLM's communicators and of its mapping of ranks, over the minimal engine's communicators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.stand_in import StandIn


class Distributed(StandIn):
    """Host collectives that really happen. What grafted code gathers is named by its operation alone, as upstream has it."""

    bench: Bench

    def __init__(self, bench: Bench) -> None:
        settings = bench.rank.settings
        super().__init__(
            bench=bench,
            rank=settings.rank,
            world_size=settings.world,
            tp_size=settings.parallel.tp,
            pp_size=settings.parallel.pp,
            tp_rank=bench.rank.tp.rank,
            has_pp=settings.parallel.pp > 1,
        )

    def tp_allgather(self, obj: object) -> list[Any]:
        """Over the tensor-parallel group."""
        return self.bench.rank.tp.allgather(obj)

    def tp_allgather_int64(self, values: Sequence[int]) -> list[list[int]]:
        """Several numbers of each rank."""
        return self.bench.rank.tp.allgather([int(value) for value in values])

    def allgather(self, obj: object) -> list[Any]:
        """Over the world."""
        return self.bench.rank.world.allgather(obj)

    def pp_allgather(self, obj: object) -> list[Any]:
        """Over this rank's pipeline, by stage."""
        return self.bench.rank.pipeline.pp.allgather(obj)

    def barrier(self) -> None:
        """Of the world."""
        self.bench.rank.world.barrier()

    def tp_barrier(self) -> None:
        """Of the tensor-parallel group."""
        self.bench.rank.tp.barrier()


def mapping(bench: Bench) -> StandIn:
    """Tensor, expert and pipeline parallelism; no context parallelism, no disaggregated weights."""
    settings, pipeline = bench.rank.settings, bench.rank.pipeline
    return StandIn(
        "mapping",
        rank=settings.rank,
        world_size=settings.world,
        tp_size=settings.parallel.tp,
        tp_rank=bench.rank.tp.rank,
        pp_size=settings.parallel.pp,
        pp_rank=pipeline.pp.rank,
        cp_size=1,
        cp_rank=0,
        cp_config={},
        moe_ep_size=settings.parallel.ep,
        enable_attention_dp=settings.parallel.attention_dp,
        dwdp_size=1,
        dwdp_enabled=False,
        has_pp=lambda: settings.parallel.pp > 1,
        has_tp=lambda: settings.parallel.tp > 1,
        has_cp=lambda: False,
        has_cp_helix=lambda: False,
        is_first_pp_rank=lambda: pipeline.first,
        is_last_pp_rank=lambda: pipeline.last,
    )
