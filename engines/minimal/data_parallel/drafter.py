"""The drafter: a forward of its own after each step, with expert-parallel collectives of its own, that proposes drafts.

As vLLM's and sglang's EAGLE and MTP workers; it is this model itself, one token of each request at a time. Sources:
vllm-project/vllm#44185, sgl-project/sglang#32527.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.protocols import Communicator, StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.model_engine import Key, ModelEngine
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class Drafter:
    """Proposes `draft_len` tokens for each request. `attention_tp`: the ranks that share this one's attention."""

    settings: Settings
    engine: ModelEngine
    tp: Communicator
    attention_tp: Communicator
    recorder: Recorder
    unseeded: set[int] = field(default_factory=set)  # requests whose prompt ran elsewhere, without a drafter

    def propose(self, requests: list[Request], step: str) -> None:
        """Draft for the requests; a rank without any takes part with padding."""
        fits = all(map(self._has_room, requests))
        if self.settings.habits.drafter == "when-fitting":
            longest = max((request.computed for request in requests), default=0)
            detail = f"computed={longest} drafts={self.settings.drafts.length} max_seq_len={self.settings.max_seq_len}"
            self.recorder.decision("decode.drafter", step, "draft" if fits else "skip", detail, deviates=not fits)
            if not fits:
                return
        self.recorder.shape(f"{step} draft")
        graph = self._may_replay(requests, step)
        for request in requests:
            request.drafts = []
        for number in range(self.settings.drafts.length):
            rows = [self._row(request, number) for request in requests] or [self._padding()]
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
        group = {"agree": self.tp, "agree-attention-tp": self.attention_tp}.get(self.settings.habits.draft_graph)
        agreed = mine if group is None else all(group.allgather(mine, "draft graph"))
        detail = f"without_seed={len(missing)} voters={1 if group is None else group.size}"
        self.recorder.decision("decode.draft_graph", step, "graph" if agreed else "eager", detail, deviates=not mine)
        return agreed

    def _forward(self, batch: Batch, graph: bool) -> StepOutput:
        own = len(batch.rows)
        if not graph:
            counts = (own,) * self.tp.size
            if self.settings.moe.chunk is None:  # buffers of no fixed size: all counts are needed
                counts = tuple(int(count) for count in self.tp.allgather(own, "draft tokens"))
            return self.engine.eager(self.engine.step(batch, counts))
        size = min(self._sizes(own))
        batch = Batch([*batch.rows, *(self._padding() for _ in range(size - own))])
        key: Key = ("generation", size, 1, "greedy")
        self.engine.replays += 1
        return self.engine.graphs[key].replay(self.engine.step(batch, (size,) * self.tp.size))

    def _sizes(self, rows: int) -> list[int]:
        return [key[1] for key in self.engine.graphs if key[0] == "generation" and key[2] == 1 and key[1] >= rows]

    def _has_room(self, request: Request) -> bool:
        return request.computed + 1 + self.settings.drafts.length <= self.settings.max_seq_len

    def _row(self, request: Request, number: int) -> Row:
        """The request's newest token, or the draft before this one; padding where there is no room."""
        if not self._has_room(request):
            return self._padding()
        token = request.drafts[number - 1] if number else request.output[-1]
        return Row([token], request.computed + number, request.blocks, True)

    def _padding(self) -> Row:
        return Row([0], 0, [self.engine.scratch_block], True)
