"""The forward of a data-parallel rank as in vLLM: one exchange of token counts and modes, then a graph or eager.

Mirrors `coordinate_batch_across_dp` and `_dummy_run` of vLLM's model runner; the habits are what engines leave out there.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.protocols import Communicator, StepOutput
from lockstep.engines.minimal.forward.model_engine import Key, ModelEngine
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

EAGER = "eager"


@dataclass(frozen=True, slots=True)
class Load:
    """What one rank brings to a forward. `mode`: the kind of graph that its batch could use, or eager."""

    tokens: int
    mode: str
    idle: bool


@dataclass(slots=True)
class DpModelRunner:
    """Forwards of one rank."""

    settings: Settings
    engine: ModelEngine
    dp: Communicator
    recorder: Recorder

    def execute_model(self, rows: list[Row], key: str) -> StepOutput:
        """Run the rows of this rank's requests. `key` names the step."""
        return self._forward(Batch(rows), key, idle=False)

    def dummy_run(self, key: str) -> None:
        """A row of padding, so that the peers find this rank in their collectives."""
        self._forward(Batch([Row([0], 0, [self.engine.scratch_block], True)]), key, idle=True)

    def _forward(self, batch: Batch, key: str, idle: bool) -> StepOutput:
        own = batch.num_tokens
        mine = Load(own, self._mode(batch), idle)
        loads = self._exchange(mine)
        mode, largest = self._agreed(mine, loads), max(load.tokens for load in loads)
        tokens = own if idle and self.settings.habits.dummy_graph == "unpadded" else largest
        size = min((size for size in self._sizes(mode) if size >= tokens), default=0)
        detail = f"tokens={own} largest={largest} own_mode={mine.mode}"
        deviates = bool(self.engine.graphs) and size < largest
        self.recorder.decision("forward.dispatch", key, f"{mode} {size}" if size else EAGER, detail, deviates)
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

    def _exchange(self, mine: Load) -> list[Load]:
        """What this rank knows of all ranks' loads, its own among them."""
        match self.settings.habits.dp_exchange:
            case "tokens-and-mode":
                all_loads = self.dp.allgather((mine.tokens, mine.mode, mine.idle), "coordinate")
                return [Load(*load) for load in all_loads]
            case "tokens":
                counts = self.dp.allgather(mine.tokens, "coordinate tokens")
                return [Load(int(count), mine.mode, mine.idle) for count in counts]
            case "mode":
                modes = self.dp.allgather((mine.mode, mine.idle), "coordinate mode")
                return [Load(mine.tokens, *mode) for mode in modes]
            case _:
                return [mine]

    def _agreed(self, mine: Load, loads: list[Load]) -> str:
        """One mode for all ranks, as far as they know of each other: the least, so that any eager rank makes all eager."""
        busy = {load.mode for load in loads if not load.idle}
        if busy == {"prefill"} and any(load.idle for load in loads):
            match self.settings.habits.sparse_prefill:
                case "max-len":
                    return "prefill"
                case "sum-len":
                    return EAGER if mine.idle else "prefill"
                case _:
                    return EAGER
        modes = {load.mode for load in loads}
        if EAGER in modes:
            return EAGER
        if len(modes) > 1:  # no graph is for both
            return mine.mode if self.settings.habits.request_counts == "local" else EAGER
        return mine.mode

    def _counts(self, loads: list[Load]) -> tuple[int, ...]:
        """Tokens of every rank, or this rank's for want of better: well with a chunk that holds them all."""
        counts = tuple(load.tokens for load in loads)
        return counts if len(counts) == self.dp.size else counts * self.dp.size

    def _padded(self, batch: Batch, mode: str, size: int) -> Batch:
        scratch = [self.engine.scratch_block]
        if mode == "generation":
            return Batch([*batch.rows, *(Row([0], 0, scratch, True) for _ in range(size - len(batch.rows)))])
        if batch.generation_only:  # a dummy becomes a prompt
            return Batch([Row([0] * size, 0, scratch, False)])
        missing = size - batch.num_tokens
        return Batch([*batch.rows, Row([0] * missing, 0, scratch, False)]) if missing else batch

    def _replay(self, batch: Batch, mode: str, size: int) -> StepOutput:
        key: Key = (mode, size, int(mode == "generation"), "greedy")
        step = self.engine.step(batch, (batch.num_tokens,) * self.dp.size)
        self.engine.replays += 1
        return self.engine.graphs[key].replay(step)
