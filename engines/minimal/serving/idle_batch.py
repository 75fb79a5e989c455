"""What goes wrong with the batch of a rank that has no requests, where it is taken for a batch of prompts."""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.engines.minimal.base.batch import Row
from lockstep.engines.minimal.base.protocols import StepOutput


def count_prompts(rows: Sequence[Row]) -> int:
    """The prompt tokens of a batch, as sglang's `prepare_mlp_sync_batch_raw` before #25404.

    A batch of prompts lists their lengths. An idle one lists nothing, and is neither of those that the code tells apart.
    """
    lengths = [len(row.tokens) for row in rows if not row.generation] if rows else None
    return sum(lengths)  # type: ignore[arg-type]  # as upstream, which takes for granted that there is a list


def last_token(output: StepOutput, tokens: int) -> int:
    """The token after the last of a batch of so many, as sglang's logits of a prompt before #39899."""
    return output.next_tokens[:tokens][-1]
