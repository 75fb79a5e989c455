"""One forward: the host collectives that every rank takes part in, the choice between graph and eager, the device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockstep.engines.minimal.base.batch import Batch, padding_row
from lockstep.engines.minimal.base.out_of_step import gathered
from lockstep.engines.minimal.base.protocols import Communicator, Device, Graph, Step, StepOutput
from lockstep.engines.minimal.forward.compiler import Compiler
from lockstep.engines.minimal.forward.variants.capture_recv import CAPTURE_RECV
from lockstep.engines.minimal.forward.variants.graph_choice import GRAPH_CHOICE
from lockstep.engines.minimal.forward.variants.token_counts import TOKEN_COUNTS
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

WARMUP_STEPS = 2
Key = tuple[str, int, int, str]  # generation: rows, tokens a row; prefill: tokens, 0; then sampling


class ModelEngine:
    """Runs batches, captures and replays graphs. Mirrors the order of host collectives of TensorRT-LLM's engine."""

    def __init__(
        self,
        settings: Settings,
        tp: Communicator,
        device: Device,
        recorder: Recorder,
        scratch_block: int,
        compiler: Compiler | None = None,
    ) -> None:
        """Padding tokens write to `scratch_block`. `compiler`: of another engine of this process, with what it has made."""
        self.settings, self.tp, self.device, self.recorder = settings, tp, device, recorder
        self.scratch_block = scratch_block
        self.compiler = compiler or Compiler(settings, tp, recorder)
        self.graphs: dict[Key, Graph] = {}
        self.stage = "serve"  # warm-up or capture while graphs are made
        self.graph_used = False  # by the last forward
        self.replays = 0
        self.warming_up = False
        self._peers = tp if settings.parallel.attention_dp else None  # ranks with batches of their own
        self._choice = GRAPH_CHOICE.of(settings)
        self._counts = TOKEN_COUNTS.of(settings)
        self._capture_recv = CAPTURE_RECV.of(settings)

    def forward(self, batch: Batch, sampling: str = "greedy", graphs: bool = True) -> StepOutput:
        """Run a batch. Under attention DP every rank must call this together; rows may differ in number and length.

        Returns the output of the batch's own tokens, padding removed.
        """
        own = batch.num_tokens
        can_graph = graphs and bool(self.settings.graphs.sizes) and batch.generation_only
        batch = self._padded(batch, can_graph)
        can_graph = self._all_graph(batch, can_graph)
        counts = self._token_counts(batch)
        if self.settings.graphs.prefill_sizes and graphs:
            batch, counts = self._prefill_padding(batch, counts)
        self.compiler.prepare(batch.num_tokens)
        step = self.step(batch, counts, sampling)
        output = self._run(batch, step, can_graph, graphs)
        return StepOutput(output.next_tokens[:own], output.drafts[:own])

    @property
    def has_graphs(self) -> bool:
        """Whether the settings, equal on all ranks, ask for graphs."""
        return bool(self.settings.graphs.sizes or self.settings.graphs.prefill_sizes)

    def of_all(self, value: object, what: str) -> list[Any]:
        """The value of every rank that has batches of its own: of the whole group under attention DP, else of this one."""
        return [value] if self._peers is None else self._peers.allgather(value, what)

    def _padded(self, batch: Batch, can_graph: bool) -> Batch:
        """Host collective 1: pad up to the largest batch of all ranks, if padding is on and all may use a graph."""
        answers = self._choice.answers(self._peers, [can_graph, len(batch.rows)], "padding")
        with gathered(answers, "padding"):
            if not (self.settings.graphs.padding and all(answer[0] for answer in answers)):
                return batch
            largest = max(answer[1] for answer in answers)
        sizes = [size for size in self.settings.graphs.sizes if size >= largest]
        return self._pad_rows(batch, min(sizes, default=largest))

    def _all_graph(self, batch: Batch, can_graph: bool) -> bool:
        """Host collective 3: a graph is used only if all ranks may and have equal batch sizes; else all run eager."""
        answers = self._choice.answers(self._peers, [can_graph, len(batch.rows)], "graph")
        with gathered(answers, "graph"):
            return all(answer[0] for answer in answers) and len({answer[1] for answer in answers}) == 1

    def _token_counts(self, batch: Batch) -> tuple[int, ...]:
        """Host collective 4: tokens of every expert-parallel rank."""
        known = self._counts.known(batch.num_tokens, self.settings.parallel.ep, self.warming_up)
        if known is not None:
            return known
        answers = self.of_all(batch.num_tokens, "tokens")
        with gathered(answers, "tokens"):
            counts = tuple(int(count) for count in answers)
        return counts if self.settings.parallel.attention_dp else counts * self.settings.parallel.ep

    def _prefill_padding(self, batch: Batch, counts: tuple[int, ...]) -> tuple[Batch, tuple[int, ...]]:
        """Host collective 5: with prompts on every rank, pad tokens up to a captured prefill size."""
        contexts = self.of_all(batch.num_context, "prompts")
        sizes = [key[1] for key in self.graphs if key[0] == "prefill" and key[1] >= max(counts)]
        if not all(contexts) or not sizes or self.stage != "serve":
            return batch, counts
        size = min(sizes)
        missing = size - batch.num_tokens
        rows = [*batch.rows, padding_row(self.scratch_block, missing, False)] if missing else batch.rows
        return Batch(rows), (size,) * len(counts)

    def _pad_rows(self, batch: Batch, size: int) -> Batch:
        length = len(batch.rows[0].tokens)
        pad = [padding_row(self.scratch_block, length) for _ in range(size - len(batch.rows))]
        return Batch([*batch.rows, *pad])

    def _run(self, batch: Batch, step: Step, can_graph: bool, graphs: bool) -> StepOutput:
        key = self._key(batch, step, can_graph)
        if can_graph:
            self._choice.chosen(self.recorder, len(batch.rows))
        self.graph_used = False
        if key is None or not graphs:
            return self.eager(step)
        if can_graph and self.stage == "serve":
            self._log_choice(key)
        if key not in self.graphs:
            if self.stage != "capture":
                return self.eager(step)
            for _ in range(WARMUP_STEPS if key[0] == "generation" else 0):  # prefill is warmed up by whole forwards
                self.eager(step)
            self._capture_recv.before(self.settings.stage, step, graph_name(key), self.device, self.recorder)
            self.graphs[key] = self.device.capture(step, graph_name(key))
        self.graph_used = True
        self.replays += 1
        return self.graphs[key].replay(step)

    def _log_choice(self, key: Key) -> None:
        """Ranks have agreed that each may use a graph; whether each of them has captured it is its own affair."""
        found = key in self.graphs
        self.recorder.decision(
            "forward.graph", graph_name(key).partition(" ")[2], "graph" if found else "eager", deviates=not found
        )

    def _key(self, batch: Batch, step: Step, can_graph: bool) -> Key | None:
        """The graph that fits; None where none could."""
        if can_graph:
            return ("generation", len(batch.rows), len(batch.rows[0].tokens), step.sampling)
        equal = len(set(step.counts)) == 1
        if equal and batch.num_context == len(batch.rows) and len(step.tokens) in self.settings.graphs.prefill_sizes:
            return ("prefill", len(step.tokens), 0, step.sampling)
        return None

    def eager(self, step: Step) -> StepOutput:
        """Run a step without a graph, by what such steps exchange tokens with."""
        return self.device.eager(replace(step, summed=self.settings.moe.by_mode))

    def step(self, batch: Batch, counts: tuple[int, ...], sampling: str = "greedy") -> Step:
        """The input of a forward of `batch`. `counts`: tokens of every rank of the group."""
        per_block, width = self.settings.kv.tokens_per_block, self.settings.blocks_per_sequence
        tokens: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        tables: list[tuple[int, ...]] = []
        for row in batch.rows:
            table = (*row.blocks, *([self.scratch_block] * (width - len(row.blocks))))[:width]
            for offset, token in enumerate(row.tokens):
                # A padding row may be longer than its one block; what it writes is never read.
                position = (row.start + offset) % (len(row.blocks) * per_block)
                tokens.append(token)
                positions.append(position)
                slots.append(row.blocks[position // per_block] * per_block + position % per_block)
                tables.append(table)
        return Step(tuple(tokens), tuple(positions), tuple(slots), tuple(tables), counts, sampling)


def graph_name(key: Key) -> str:
    """A graph's name in events, manifests and verdicts."""
    kind, size, tokens, sampling = key
    return (
        f"generation rows={size} tokens={tokens} {sampling}" if kind == "generation" else f"prefill tokens={size} {sampling}"
    )
