"""The model: a small mixture-of-experts decoder with paged attention and multi-token prediction. Float32, seeded weights.

A pipeline stage has some of the layers: the first embeds tokens, each hands hidden states on, the last gives tokens.
Under attention DP every rank has all heads and its own tokens; tokens go to the experts' ranks and come back by
all-to-all. Otherwise heads and experts are dealt to the ranks, and their parts are summed by all-reduce.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, rms_norm

from lockstep.engines.minimal.comm.data_plane import Collectives, Hooks
from lockstep.engines.minimal.model.expert_exchange import ExpertExchange
from lockstep.engines.minimal.model.moe_alltoall import MoeAllToAll
from lockstep.engines.minimal.spec.model import EXPERTS, HEAD_DIM, HEADS, HIDDEN, LAYERS, VOCABULARY

EXPERT_HIDDEN = 64
TOP_K = 2
MAX_POSITIONS = 4096
TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class Shard:
    """This rank's part: heads `[first_head, last_head)` and experts `[first_expert, last_expert)`."""

    first_head: int
    last_head: int
    first_expert: int
    last_expert: int
    attention_dp: bool
    ep_rank: int
    ep_size: int
    layers: range = range(LAYERS)
    attention_tp: int = 1

    @property
    def heads(self) -> int:
        """Attention heads of this rank."""
        return self.last_head - self.first_head

    @property
    def first_stage(self) -> bool:
        """Whether it embeds the tokens."""
        return self.layers.start == 0

    @property
    def last_stage(self) -> bool:
        """Whether it has the heads that give tokens and drafts."""
        return self.layers.stop == LAYERS


def shard(rank: int, tp: int, ep: int, attention_dp: bool, stage: int = 0, stages: int = 1, attention_tp: int = 1) -> Shard:
    """The part of tensor-parallel rank `rank` of pipeline stage `stage`."""
    group = attention_tp if attention_dp else tp
    heads = HEADS // group
    first = rank % group * heads
    experts, ep_rank = EXPERTS // ep, rank % ep
    layers = LAYERS // stages
    own = range(stage * layers, (stage + 1) * layers)
    return Shard(
        first, first + heads, ep_rank * experts, (ep_rank + 1) * experts, attention_dp, ep_rank, ep, own, attention_tp
    )


class Model:
    """Weights of one rank, and the forward over static tensors."""

    def __init__(
        self,
        part: Shard,
        draft_len: int,
        seed: int,
        plane: Collectives,
        hooks: Hooks,
        device: str = "cpu",
        dense_layers: Collection[int] = (),
        moe_chunk: int | None = None,
        sums: Collectives | None = None,
    ) -> None:
        """All ranks draw the same weights and keep their part, so that every mapping is the same model.

        The host calls the `hooks` with the name of the layer. `dense_layers` have one expert for all tokens, on every rank,
        instead of experts that are dealt to the ranks. `moe_chunk`: tokens of a rank that one dispatch carries. `sums`: what
        an exchange by all-reduce goes over.
        """
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator) / float(shape[-2] ** 0.5)

        self.part, self.plane, self.hooks, self.dense_layers = part, plane, hooks, dense_layers
        self.exchange = MoeAllToAll(plane)
        self.routes = ExpertExchange(self.exchange, sums or plane, part.ep_rank, part.ep_size, hooks, moe_chunk)
        heads = slice(part.first_head * HEAD_DIM, part.last_head * HEAD_DIM)
        experts = slice(part.first_expert, part.last_expert)
        self.embedding = draw(VOCABULARY, HIDDEN) * VOCABULARY**0.5
        self.position = draw(MAX_POSITIONS, HIDDEN) * MAX_POSITIONS**0.5
        self.query = [draw(HIDDEN, HIDDEN)[:, heads].contiguous() for _ in range(LAYERS)]
        self.key = [draw(HIDDEN, HIDDEN)[:, heads].contiguous() for _ in range(LAYERS)]
        self.value = [draw(HIDDEN, HIDDEN)[:, heads].contiguous() for _ in range(LAYERS)]
        self.out = [draw(HIDDEN, HIDDEN)[heads].contiguous() for _ in range(LAYERS)]
        self.router = [draw(HIDDEN, EXPERTS) for _ in range(LAYERS)]
        self.up = [draw(EXPERTS, HIDDEN, EXPERT_HIDDEN)[experts].contiguous() for _ in range(LAYERS)]
        self.down = [draw(EXPERTS, EXPERT_HIDDEN, HIDDEN)[experts].contiguous() for _ in range(LAYERS)]
        self.dense = [draw(HIDDEN, EXPERT_HIDDEN) for _ in range(LAYERS)] if dense_layers else []
        self.unembedding = draw(HIDDEN, VOCABULARY)
        self.draft_heads = draw(max(draft_len, 1), HIDDEN, VOCABULARY)[:draft_len]
        # Noise by position: advanced sampling gives the same tokens on every mapping too.
        self.noise = -torch.log(-torch.log(torch.rand(MAX_POSITIONS, VOCABULARY, generator=generator)))
        self._keep(part.layers)
        self._move(device)

    def _keep(self, layers: range) -> None:
        """Only this stage's layers, by their number in the stage."""
        for name, value in vars(self).items():
            if isinstance(value, list):
                setattr(self, name, value[layers.start : layers.stop])

    def _move(self, device: str) -> None:
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
            elif isinstance(value, list):
                setattr(self, name, [tensor.to(device) for tensor in value])

    def forward(
        self, pool: Tensor, inputs: tuple[Tensor, ...], counts: Sequence[int], sampling: str, summed: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Next token [T] and drafts [T, draft_len] of T tokens; zeros on a stage that is not the last.

        `inputs`: tokens, positions, slots [T]; `context` [T, S], the pool slots that a token may attend to, and `visible`
        [T, S], which of them it sees. `counts`: tokens of every rank of the group; `summed`: they are
        exchanged by all-reduce.
        """
        tokens, positions, slots, context, visible = inputs
        if self.part.first_stage:
            x = self.embedding[tokens] + self.position[positions]
        else:
            x = self.embedding.new_empty(len(positions), HIDDEN)
            self.plane.recv(x, "hidden")
        for layer in range(len(self.part.layers)):
            self.hooks.before(self._place(layer))
            x = x + self._attention(layer, rms_norm(x, (HIDDEN,)), pool, slots, context, visible)
            x = x + self._experts(layer, rms_norm(x, (HIDDEN,)), counts, summed)
        if not self.part.last_stage:
            self.plane.send(x, "hidden")
            return torch.zeros_like(positions), positions.new_zeros(len(positions), len(self.draft_heads))
        x = rms_norm(x, (HIDDEN,))
        logits = x @ self.unembedding
        if sampling == "advanced":
            logits = logits / TEMPERATURE + self.noise[positions]
        drafts = torch.einsum("th,dhv->tdv", x, self.draft_heads)
        return logits.argmax(-1), drafts.argmax(-1)

    def _attention(self, layer: int, x: Tensor, pool: Tensor, slots: Tensor, context: Tensor, visible: Tensor) -> Tensor:
        heads = self.part.heads
        query = (x @ self.query[layer]).view(-1, heads, HEAD_DIM)
        pool[layer, 0].index_copy_(0, slots, (x @ self.key[layer]).view(-1, heads, HEAD_DIM))
        pool[layer, 1].index_copy_(0, slots, (x @ self.value[layer]).view(-1, heads, HEAD_DIM))
        key, value = pool[layer, 0][context], pool[layer, 1][context]
        scores = torch.einsum("thd,tshd->ths", query, key) / HEAD_DIM**0.5
        scores = scores.masked_fill(~visible[:, None, :], float("-inf"))
        mixed = torch.einsum("ths,tshd->thd", scores.softmax(-1), value).reshape(-1, heads * HEAD_DIM)
        result = mixed @ self.out[layer]
        if not self.part.attention_dp or self.part.attention_tp > 1:
            self.plane.reduce_heads(result, f"attention {self._place(layer)}")
        return result

    def _place(self, layer: int) -> str:
        return f"layer={self.part.layers[layer]}"

    def _experts(self, layer: int, x: Tensor, counts: Sequence[int], summed: bool) -> Tensor:
        place = self._place(layer)
        if self.part.layers[layer] in self.dense_layers:
            return relu(x @ self.dense[layer]) @ self.dense[layer].T
        self.hooks.before_experts(place)
        weights = (x @ self.router[layer]).softmax(-1)
        chosen = weights.topk(TOP_K).indices
        gates = torch.zeros_like(weights).scatter(-1, chosen, weights.gather(-1, chosen))
        if not self.part.attention_dp:
            self.hooks.workspace(x.shape[0])
            result = self._local_experts(layer, x, gates)
            self.plane.all_reduce(result, f"experts {place}")
            return result
        if self.part.ep_size < len(counts):  # data-parallel ranks that have all experts each
            return self._local_experts(layer, x, gates)
        return self.routes.run(
            torch.cat([x, gates], -1),
            counts,
            lambda rows: self._local_experts(layer, rows[:, :HIDDEN], rows[:, HIDDEN:]),
            place,
            summed,
        )

    def time_experts(self, tokens: int, tile: int) -> float:
        """Seconds that the first layer's experts take for so many tokens, `tile` at a time: a tactic of the autotuner."""
        x, gates = self.embedding.new_ones(tokens, HIDDEN), self.embedding.new_ones(tokens, EXPERTS)
        begin = time.perf_counter()
        for first in range(0, tokens, tile):
            part = self._local_experts(0, x[first : first + tile], gates[first : first + tile])
        part.sum().item()  # waits for a device
        return time.perf_counter() - begin

    def _local_experts(self, layer: int, x: Tensor, gates: Tensor) -> Tensor:
        inner = relu(torch.einsum("th,ehk->tek", x, self.up[layer]))
        outer = torch.einsum("tek,ekh->teh", inner, self.down[layer])
        own = gates[:, self.part.first_expert : self.part.last_expert]
        return torch.einsum("teh,te->th", outer, own)
