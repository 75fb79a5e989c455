"""The forward: grafted code's batch, run by the minimal engine with its collectives, its model and its graphs."""

from __future__ import annotations

from typing import Any

from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.stand_in import StandIn, offered
from lockstep.engines.source.trtllm.graphs import CUDAGraphRunner, PiecewiseRunner
from lockstep.engines.source.trtllm.requests import ScheduledRequests, rows_of


class Forward:
    """`forward` of the engine object; also in the form that takes a record with the batch in it."""

    def __init__(self, bench: Bench, graphs: CUDAGraphRunner, prefill: PiecewiseRunner) -> None:
        self.bench, self.graphs, self.prefill = bench, graphs, prefill
        self.owner: Any = None

    def bind(self, owner: Any) -> None:
        """The engine object that the forward belongs to."""
        self.owner = owner

    def forward(
        self,
        inputs: Any,
        resource_manager: Any = None,
        new_tensors_device: None = None,
        gather_context_logits: bool = False,
        cache_indirection_buffer: None = None,
        is_dummy: bool = False,
        num_accepted_tokens_device: None = None,
        req_id_to_old_request: None = None,
    ) -> None:
        """Run a batch. Every rank of the group must come here together under attention data parallelism."""
        batch, sampling = rows_of(inputs if isinstance(inputs, ScheduledRequests) else inputs.batch)
        sampling = self._sampling(sampling)
        engine, recorder = self.bench.rank.engine, self.bench.rank.recorder
        generation = batch.generation_only
        if generation or not self.prefill.capturing:
            engine.stage = self.graphs.stage
        else:
            engine.stage = self.prefill.stage(batch.num_tokens)
        try:
            engine.forward(batch, sampling, graphs=self.graphs.enabled or (self.prefill.capturing and not generation))
        finally:
            engine.stage = "serve"
        recorder.milestone(f"{self.bench.phase} {self.bench.shape}")

    def _sampling(self, asked: str) -> str:
        """Speculation's metadata, which the first forward makes as upstream's does, may ask for the other variant."""
        if not self.bench.rank.settings.drafts.length:
            return asked
        metadata = self.owner.spec_metadata
        if metadata is None:
            metadata = StandIn("spec_metadata", is_all_greedy_sample=True, _force_non_greedy_for_capture=False)
            self.owner.spec_metadata = metadata
        return "advanced" if metadata._force_non_greedy_for_capture else asked

    @property
    def method(self) -> Any:
        """What the engine object has under the name `forward`."""
        return offered(self.forward)
