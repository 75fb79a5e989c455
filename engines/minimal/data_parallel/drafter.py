"""The drafter: a forward of its own after each step, with expert-parallel collectives of its own, that proposes drafts.

As vLLM's and sglang's EAGLE and MTP workers; it is this model itself, one token of each request at a time. Sources:
vllm-project/vllm#44185, sgl-project/sglang#32527.
"""

from __future__ import annotations

from lockstep.engines.minimal.base.batch import Batch, Row, padding_row
from lockstep.engines.minimal.base.protocols import Communicator, StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.data_parallel.variants.draft_graph import DRAFT_GRAPH
from lockstep.engines.minimal.data_parallel.variants.drafting import DRAFTER
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.forward.model_engine import Key


class Drafter:
    """Proposes drafts for each request. `attention_tp`: the ranks that share this one's attention."""

    def __init__(self, context: RankContext, attention_tp: Communicator) -> None:
        self.context, self.engine, self.tp, self.recorder = context, context.engine, context.tp, context.recorder
        self.attention_tp = attention_tp
        self.unseeded: set[int] = set()  # requests whose prompt ran elsewhere, without a drafter
        self.draft_len = context.settings.drafts.length
        self._drafting = DRAFTER.of(context.settings)
        self._draft_graph = DRAFT_GRAPH.of(context.settings)

    def propose(self, requests: list[Request], step: str) -> None:
        """Draft for the requests; a rank without any takes part with padding."""
        if not self._drafting.drafts(step, requests, all(map(self._has_room, requests)), self.context):
            return
        self.recorder.shape(f"{step} draft")
        graph = self._may_replay(requests, step)
        for request in requests:
            request.drafts = []
        for number in range(self.draft_len):
            rows = [self._row(request, number) for request in requests] or [padding_row(self.engine.scratch_block)]
            output = self._forward(Batch(rows), graph)
            for request, token in zip(requests, output.next_tokens, strict=False):
                if self._has_room(request):
                    request.drafts.append(token)
        self.recorder.shape(step)

    def _may_replay(self, requests: list[Request], step: str) -> bool:
        """Whether the drafts come from a graph. A request's first need a seed that only a prompt that ran here has left."""
        if not self._sizes(len(requests)):
            return False
        missing = {request.ident for request in requests} & self.unseeded
        self.unseeded -= missing
        mine = not missing
        group = self._draft_graph.voters(self.tp, self.attention_tp)
        agreed = mine if group is None else all(group.allgather(mine, "draft graph"))
        detail = f"without_seed={len(missing)} voters={1 if group is None else group.size}"
        self.recorder.decision("decode.draft_graph", step, "graph" if agreed else "eager", detail, deviates=not mine)
        return agreed

    def _forward(self, batch: Batch, graph: bool) -> StepOutput:
        own = len(batch.rows)
        if not graph:
            counts = (own,) * self.tp.size
            if self.context.settings.moe.chunk is None:  # buffers of no fixed size: all counts are needed
                counts = tuple(int(count) for count in self.tp.allgather(own, "draft tokens"))
            return self.engine.eager(self.engine.step(batch, counts))
        size = min(self._sizes(own))
        batch = Batch([*batch.rows, *(padding_row(self.engine.scratch_block) for _ in range(size - own))])
        key: Key = ("generation", size, 1, "greedy")
        self.engine.replays += 1
        return self.engine.graphs[key].replay(self.engine.step(batch, (size,) * self.tp.size))

    def _sizes(self, rows: int) -> list[int]:
        return [key[1] for key in self.engine.graphs if key[0] == "generation" and key[2] == 1 and key[1] >= rows]

    def _has_room(self, request: Request) -> bool:
        return request.computed + 1 + self.draft_len <= self.context.settings.max_seq_len

    def _row(self, request: Request, number: int) -> Row:
        """The request's newest token, or the draft before this one; padding where there is no room."""
        if not self._has_room(request):
            return padding_row(self.engine.scratch_block)
        token = request.drafts[number - 1] if number else request.output[-1]
        return Row([token], request.computed + number, request.blocks, True)
