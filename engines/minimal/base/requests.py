"""Requests: a prompt, and what was decoded of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.batch import Row
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.spec.model import VOCABULARY
from lockstep.engines.minimal.spec.settings import Settings

IMAGE_BYTES = 3 * 224 * 224
PlainRequest = tuple[int, list[int], int, bytes]  # as it travels: the first fields of a request


@dataclass(slots=True)
class Request:
    """A prompt and what was decoded of it. `computed` tokens have their keys and values in the pool."""

    ident: int
    prompt: list[int]
    limit: int
    image: bytes = b""  # pixels, which travel with the request
    output: list[int] = field(default_factory=list)
    drafts: list[int] = field(default_factory=list)
    computed: int = 0
    blocks: list[int] = field(default_factory=list)
    arrived_s: float = 0.0  # by the clock of its rank
    encoded: bool = False  # whether its image was
    chunk: int = 0  # tokens of the prompt in the next forward
    stopped: bool = False  # by what another rank says

    @property
    def finished(self) -> bool:
        """Whether all its tokens are decoded."""
        return self.stopped or len(self.output) >= self.limit

    @property
    def left(self) -> int:
        """Tokens of its prompt that are not yet computed."""
        return max(0, len(self.prompt) - self.computed)

    @property
    def plain(self) -> PlainRequest:
        """What other ranks need to know of it."""
        return self.ident, self.prompt, self.limit, self.image

    def row(self, draft_len: int) -> Row:
        """Its tokens for the next forward: a chunk of the prompt, or the last token and so many drafts after it."""
        if not self.output:
            return Row(self.prompt[self.computed : self.computed + self.chunk], self.computed, self.blocks, False)
        self.drafts = self.drafts[:draft_len]
        return Row([self.output[-1], *self.drafts], self.computed, self.blocks, True)

    def accept(self, next_tokens: Sequence[int], drafts: Sequence[Sequence[int]]) -> None:
        """Take what a forward gave for this row: the token, and every draft that turned out right."""
        if not self.output:
            self.computed += len(next_tokens)
            if self.left:
                return
            taken = len(next_tokens) - 1
            self.output.append(next_tokens[taken])
        else:
            taken = 0
            while taken < len(self.drafts) and self.drafts[taken] == next_tokens[taken]:
                taken += 1
            self.output += next_tokens[: taken + 1]
            self.computed += taken + 1
        self.output = self.output[: self.limit]
        self.drafts = list(drafts[taken])


def accept_all(requests: Sequence[Request], rows: Sequence[Row], output: StepOutput) -> None:
    """Give each request what a forward gave for its row, in the order of the rows."""
    at = 0
    for request, row in zip(requests, rows, strict=False):
        end = at + len(row.tokens)
        request.accept(output.next_tokens[at:end], output.drafts[at:end])
        at = end


def all_prompts(settings: Settings) -> list[list[int]]:
    """The prompt of every request, the same on every rank."""
    workload = settings.workload
    chance = random.Random(workload.seed)
    drawn = [[chance.randrange(VOCABULARY) for _ in range(workload.prompt_tokens)] for _ in range(workload.requests)]
    return [list(drawn[ident % (workload.prompts or workload.requests)]) for ident in range(workload.requests)]


def own_requests(settings: Settings, rank: int, size: int) -> list[Request]:
    """The share of rank `rank` of a group of `size`: dealt round robin under attention DP, all of them otherwise."""
    workload, found = settings.workload, list[Request]()
    for ident, prompt in enumerate(all_prompts(settings)):
        if not settings.parallel.attention_dp or ident % size == rank:
            seed = f"{workload.seed} image {ident}"
            image = random.Random(seed).randbytes(IMAGE_BYTES) if ident in workload.images else b""
            found.append(Request(ident, prompt, 1 if workload.context_only else workload.new_tokens[ident], image))
    return found
