"""How tokens of data-parallel ranks get to the experts of all ranks and back: by all-to-all or by all-reduce, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lockstep.engines.minimal.comm.data_plane import Collectives, Hooks
from lockstep.engines.minimal.model.moe_alltoall import MoeAllToAll

Experts = Callable[[Tensor], Tensor]  # tokens with their gates [N, width] -> this rank's part of the result [N, hidden]


@dataclass(frozen=True, slots=True)
class ExpertExchange:
    """The exchange of one rank.

    `sums`: what an exchange by all-reduce goes over; a communicator of its own as in vLLM-Ascend and sglang, where each way
    has its own groups. `chunk`: tokens of a rank that one dispatch carries, as TensorRT-LLM's `moe_config.max_num_tokens`
    and vLLM's chunked kernels; None: all of them, exactly.
    """

    exchange: MoeAllToAll
    sums: Collectives
    rank: int
    size: int
    hooks: Hooks
    chunk: int | None = None

    def run(self, rows: Tensor, counts: Sequence[int], experts: Experts, place: str, summed: bool) -> Tensor:
        """The experts' result [T, hidden] for this rank's `rows` [T, width]. `counts`: tokens of every rank.

        With chunks each rank takes part in as many rounds as the largest of `counts` needs: ranks that are told different
        counts, or replay graphs of different sizes, take part in different numbers of rounds.
        """
        exchange = self._summed if summed else self._scattered
        if self.chunk is None:
            return exchange(rows, counts, experts, place)
        parts: list[Tensor] = []
        for number in range(-(-max(counts) // self.chunk)):
            piece = rows[number * self.chunk : (number + 1) * self.chunk]
            missing = self.chunk - piece.shape[0]
            padded = pad(piece, (0, 0, 0, missing)) if missing else piece
            name = f"{place} chunk={number}" if number else place
            parts.append(exchange(padded, (self.chunk,) * self.size, experts, name)[: piece.shape[0]])
        return torch.cat(parts)

    def _scattered(self, rows: Tensor, counts: Sequence[int], experts: Experts, place: str) -> Tensor:
        """Dispatch: every token to every rank. Combine: the parts come back and are summed."""
        own = rows.shape[0]
        incoming = rows.new_empty(sum(counts), rows.shape[1])
        self.exchange.dispatch(incoming, rows.repeat(self.size, 1), [own] * self.size, counts, place)
        self._work(place, counts)
        part = experts(incoming)
        returned = part.new_empty(self.size * own, part.shape[1])
        self.exchange.combine(returned, part, counts, [own] * self.size, place)
        return returned.view(self.size, own, part.shape[1]).sum(0)

    def _summed(self, rows: Tensor, counts: Sequence[int], experts: Experts, place: str) -> Tensor:
        """Each rank's tokens in their place of one buffer for all, summed; then the parts of the results, summed.

        As sglang's SUM_LEN padding and vLLM's naive exchange.
        """
        first, own = sum(counts[: self.rank]), rows.shape[0]
        everybody = pad(rows, (0, 0, first, sum(counts) - first - own))
        self.sums.all_reduce(everybody, f"gather {place}")
        self._work(place, counts)
        part = experts(everybody)
        self.sums.all_reduce(part, f"scatter {place}")
        return part[first : first + own]

    def _work(self, place: str, counts: Sequence[int]) -> None:
        """The host, before its experts have their turn."""
        self.hooks.between(place)
        self.hooks.workspace(sum(counts))
