"""Stand-ins of TensorRT-LLM's requests and batches: plain records of what the minimal engine's rows need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.source.graft.stand_in import StandIn

TOKEN = 1  # as upstream, dummies are not of zeros


class LlmRequest(StandIn):
    """A dummy request with its blocks. `token_num` tokens, of which a generating one has all but the last behind it."""

    def __init__(self, ident: int, token_num: int, blocks: list[int], is_gen: bool, drafts: int, sampling: str) -> None:
        behind = token_num - 1 if is_gen else token_num
        super().__init__(
            request_id=ident,
            py_request_id=ident,
            prompt_len=behind,
            py_prompt_len=behind,
            py_draft_tokens=[TOKEN] * drafts if is_gen else [],
            py_is_first_draft=False,
            py_return_context_logits=False,
            is_dummy=True,
            is_dummy_request=True,
            lora_task_id=None,
            blocks=blocks,
            is_gen=is_gen,
            sampling=sampling,
        )

    def row(self) -> Row:
        """Its tokens in the next forward: a whole prompt, or the last token and the drafts behind it."""
        if not self.is_gen:
            return Row([TOKEN] * self.py_prompt_len, 0, self.blocks, False)
        return Row([TOKEN] * (1 + len(self.py_draft_tokens)), self.py_prompt_len, self.blocks, True)


class ScheduledRequests(StandIn):
    """A batch. Prompts come first."""

    def __init__(self) -> None:
        super().__init__(context_requests=[], generation_requests=[], paused_requests=[], encoder_requests=[])

    def reset_context_requests(self, context_requests: Iterable[LlmRequest] | None = None) -> None:
        """Set its prompts."""
        self.context_requests = list(context_requests or ())

    def all_requests(self) -> list[LlmRequest]:
        """Prompts and generating requests."""
        return [*self.context_requests, *self.generation_requests]

    @property
    def batch_size(self) -> int:
        """Requests."""
        return len(self.context_requests) + len(self.generation_requests)

    @property
    def num_context_requests(self) -> int:
        """Prompts."""
        return len(self.context_requests)

    @property
    def num_generation_requests(self) -> int:
        """Generating requests."""
        return len(self.generation_requests)


def rows_of(batch: Any) -> tuple[Batch, str]:
    """The minimal engine's batch, and how it is to be sampled."""
    requests = batch.all_requests()
    advanced = any(request.sampling == "advanced" for request in requests)
    return Batch([request.row() for request in requests]), "advanced" if advanced else "greedy"
