"""The forward of a data-parallel rank as in vLLM: one exchange of token counts and modes, then a graph or eager.

Mirrors `coordinate_batch_across_dp` and `_dummy_run` of vLLM's model runner; the variants are what engines leave out there.
"""

from __future__ import annotations

from lockstep.engines.minimal.base.batch import Batch, Row, padding_row
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.data_parallel.load import EAGER, Load
from lockstep.engines.minimal.data_parallel.variants.dp_exchange import DP_EXCHANGE
from lockstep.engines.minimal.data_parallel.variants.dummy_graph import DUMMY_GRAPH
from lockstep.engines.minimal.data_parallel.variants.request_counts import REQUEST_COUNTS
from lockstep.engines.minimal.data_parallel.variants.sparse_prefill import SPARSE_PREFILL
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.forward.model_engine import Key


class DpModelRunner:
    """Forwards of one rank."""

    def __init__(self, context: RankContext) -> None:
        self.context, self.engine, self.dp = context, context.engine, context.tp
        settings = context.settings
        self._exchange = DP_EXCHANGE.of(settings)
        self._dummy_graph = DUMMY_GRAPH.of(settings)
        self._request_counts = REQUEST_COUNTS.of(settings)
        self._sparse_prefill = SPARSE_PREFILL.of(settings)

    def execute_model(self, rows: list[Row], key: str) -> StepOutput:
        """Run the rows of this rank's requests. `key` names the step."""
        return self._forward(Batch(rows), key, idle=False)

    def dummy_run(self, key: str) -> None:
        """A row of padding, so that the peers find this rank in their collectives."""
        self._forward(Batch([padding_row(self.engine.scratch_block)]), key, idle=True)

    def _forward(self, batch: Batch, key: str, idle: bool) -> StepOutput:
        own = batch.num_tokens
        mine = Load(own, self._mode(batch), idle)
        loads = self._exchange.loads(mine, self.dp)
        mode, largest = self._agreed(mine, loads), max(load.tokens for load in loads)
        tokens = self._dummy_graph.tokens(own, largest) if idle else largest
        size = min((size for size in self._sizes(mode) if size >= tokens), default=0)
        detail = f"tokens={own} largest={largest} own_mode={mine.mode}"
        deviates = bool(self.engine.graphs) and size < largest
        choice = f"{mode} {size}" if size else EAGER
        self.context.recorder.decision("forward.dispatch", key, choice, detail, deviates)
        if size:
            output = self._replay(self._padded(batch, mode, size), mode, size)
        else:
            output = self.engine.eager(self.engine.step(batch, self._counts(loads)))
        return StepOutput(output.next_tokens[:own], output.drafts[:own])

    def _mode(self, batch: Batch) -> str:
        """As a rank sees it that knows of no other."""
        if batch.generation_only and batch.num_tokens == len(batch.rows):
            mode = "generation"
        elif batch.num_context == len(batch.rows):
            mode = "prefill"
        else:
            return EAGER
        return mode if any(size >= batch.num_tokens for size in self._sizes(mode)) else EAGER

    def _sizes(self, mode: str) -> list[int]:
        """Tokens of the captured graphs of a kind; rows of drafts have none here."""
        per_row = {"generation": 1, "prefill": 0}.get(mode)
        return [key[1] for key in self.engine.graphs if (key[0], key[2]) == (mode, per_row)]

    def _agreed(self, mine: Load, loads: list[Load]) -> str:
        """One mode for all ranks, as far as they know of each other: the least, so that any eager rank makes all eager."""
        busy = {load.mode for load in loads if not load.idle}
        if busy == {"prefill"} and any(load.idle for load in loads):
            return self._sparse_prefill.mode(mine)
        modes = {load.mode for load in loads}
        if EAGER in modes:
            return EAGER
        return self._request_counts.mode(mine) if len(modes) > 1 else mine.mode

    def _counts(self, loads: list[Load]) -> tuple[int, ...]:
        """Tokens of every rank, or this rank's for want of better: well with a chunk that holds them all."""
        counts = tuple(load.tokens for load in loads)
        return counts if len(counts) == self.dp.size else counts * self.dp.size

    def _padded(self, batch: Batch, mode: str, size: int) -> Batch:
        scratch = self.engine.scratch_block
        if mode == "generation":
            return Batch([*batch.rows, *(padding_row(scratch) for _ in range(size - len(batch.rows)))])
        if batch.generation_only:  # a dummy becomes a prompt
            return Batch([padding_row(scratch, size, False)])
        missing = size - batch.num_tokens
        return Batch([*batch.rows, padding_row(scratch, missing, False)]) if missing else batch

    def _replay(self, batch: Batch, mode: str, size: int) -> StepOutput:
        key: Key = (mode, size, int(mode == "generation"), "greedy")
        step = self.engine.step(batch, (batch.num_tokens,) * self.dp.size)
        self.engine.replays += 1
        return self.engine.graphs[key].replay(step)
