"""What a rank without requests does in a step of its peers, so that they find it in their collectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from lockstep.engines.minimal.base.batch import Row, padding_row
from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class IdleRank(Protocol):
    """Asked in a step in which this rank has nothing to run."""

    def joins(self, number: int, recorder: Recorder) -> bool:
        """Whether it takes part in the step."""

    def row(self, tokens: int, scratch_block: int, manager: BlockManager) -> Row:
        """What it runs there, of so many tokens."""

    def take(self, output: StepOutput) -> None:
        """What came of it."""


class Dummy:
    """Sound: a row of padding in the scratch block, which is always there."""

    def joins(self, number: int, recorder: Recorder) -> bool:
        """Always."""
        return True

    def row(self, tokens: int, scratch_block: int, manager: BlockManager) -> Row:
        """Padding."""
        return padding_row(scratch_block, tokens)

    def take(self, output: StepOutput) -> None:
        """Nobody reads it."""


class Allocate(Dummy):
    """A dummy in a KV block of its own, of which there may be none left (NVIDIA/TensorRT-LLM#17978)."""

    def row(self, tokens: int, scratch_block: int, manager: BlockManager) -> Row:
        """As upstream, which takes for granted that there is a block."""
        upstream_unchecked: Any = manager.allocate(tokens)
        row = padding_row(upstream_unchecked[0], tokens)
        manager.free(upstream_unchecked)
        return row


class Skip(Dummy):
    """It leaves the step out, and its next vote meets its peers' collective (vllm-project/vllm#28774)."""

    def joins(self, number: int, recorder: Recorder) -> bool:
        """Never."""
        recorder.decision("decode.idle", f"step={number}", "skip", deviates=True)
        return False


class Extend(Dummy):
    """It counts the prompts of a batch that has none (sgl-project/sglang#25404)."""

    def row(self, tokens: int, scratch_block: int, manager: BlockManager) -> Row:
        """Raises TypeError."""
        check_prompts([])
        return super().row(tokens, scratch_block, manager)


class EmptyExtend(Dummy):
    """It takes the last token of its padding, of which none is its own (sgl-project/sglang#39899)."""

    def take(self, output: StepOutput) -> None:
        """Raises IndexError."""
        check_last_token(output, tokens=0)


def check_prompts(rows: Sequence[Row]) -> None:
    """Count the prompt tokens of a batch, as sglang's `prepare_mlp_sync_batch_raw` before #25404. Raises TypeError.

    A batch of prompts lists their lengths. An idle one lists nothing, and is neither of those that the code tells apart.
    """
    upstream_unchecked: Any = [len(row.tokens) for row in rows if not row.generation] if rows else None
    sum(upstream_unchecked)


def check_last_token(output: StepOutput, tokens: int) -> None:
    """Look at the token after the last of so many, as sglang's logits of a prompt before #39899. Raises IndexError."""
    _ = output.next_tokens[:tokens][-1]


IDLE_RANK = Point[IdleRank](
    "idle_rank",
    "what a rank without requests does: a dummy in the scratch block, `allocate`: one in a KV block of its own, "
    "`skip`: no step, `extend`: it counts the prompts of a batch that has none (sglang#25404), `empty-extend`: it takes "
    "the last token of its padding, of which none is its own (sglang#39899)",
    {"dummy": Dummy(), "allocate": Allocate(), "skip": Skip(), "extend": Extend(), "empty-extend": EmptyExtend()},
)
