"""Batches: rows of tokens with their KV blocks, and the warm-up requests that upstream makes of a shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.spec.settings import Settings


@dataclass(slots=True)
class Row:
    """The tokens of one request in one forward: `tokens` begin at position `start`."""

    tokens: list[int]
    start: int
    blocks: list[int]
    generation: bool


def padding_row(block: int, tokens: int = 1, generation: bool = True) -> Row:
    """Tokens of nobody, which write to a block that nobody reads: peers find this rank in their collectives."""
    return Row([0] * tokens, 0, [block], generation)


@dataclass(slots=True)
class Batch:
    """What one rank runs in one forward."""

    rows: list[Row] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """Tokens of all rows."""
        return sum(len(row.tokens) for row in self.rows)

    @property
    def num_context(self) -> int:
        """Rows that are prompts."""
        return sum(not row.generation for row in self.rows)

    @property
    def generation_only(self) -> bool:
        """Whether a generation graph could run it: generation rows of one length."""
        return bool(self.rows) and not self.num_context and len({len(row.tokens) for row in self.rows}) == 1

    def free(self, manager: BlockManager) -> None:
        """Give all blocks back."""
        for row in self.rows:
            manager.free(row.blocks)


@dataclass(frozen=True, slots=True)
class Shape:
    """A warm-up shape. `label` means the same on every rank; the numbers may depend on the rank's capacity."""

    label: str
    num_tokens: int
    num_gen: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A warm-up request that was tried: the batch, or None, and the figures that decided."""

    batch: Batch | None
    free_blocks: int
    needed_blocks: int
    num_tokens: int
    reason: str = ""

    @property
    def detail(self) -> str:
        """The figures in the form of a decision's detail."""
        text = f"free_blocks={self.free_blocks} needed_blocks={self.needed_blocks} num_tokens={self.num_tokens}"
        return text + (f" reason={self.reason}" if self.reason else "")


def max_context_tokens(settings: Settings, manager: BlockManager) -> int:
    """Upstream's `curr_max_num_tokens`: of the rank's own free capacity, so it differs between ranks."""
    longest = settings.max_seq_len - 1
    rows, rest = divmod(manager.free_blocks, manager.needed(longest))
    fitting = rows * longest + min(rest * manager.tokens_per_block, longest)
    return min(settings.max_num_tokens, fitting, settings.max_batch_size * longest)


def warmup_request(settings: Settings, manager: BlockManager, shape: Shape, most_rows: bool = False) -> Attempt:
    """A request of `num_tokens` tokens with `num_gen` generation rows, as upstream's `_create_warmup_request`.

    Prompts are as few as can be, or with `most_rows` as many. No batch when there are too many tokens, too many requests, or
    too few free blocks.
    """
    full = 1 + settings.drafts.length
    per_gen = full if shape.num_tokens >= shape.num_gen * full else 1
    context = shape.num_tokens - shape.num_gen * per_gen
    longest = settings.max_seq_len - 1
    prompts = [longest] * (context // longest) + ([context % longest] if context % longest else [])
    if most_rows and len(prompts) < settings.max_batch_size - shape.num_gen:
        count = min(settings.max_batch_size - shape.num_gen, context)
        prompts = [context // count + (number < context % count) for number in range(count)]
    needed = sum(map(manager.needed, prompts)) + shape.num_gen * manager.needed(per_gen + 1)
    figures = (manager.free_blocks, needed, shape.num_tokens)
    if shape.num_tokens > min(settings.max_num_tokens, manager.free_tokens):
        return Attempt(None, *figures, reason="tokens")
    if len(prompts) + shape.num_gen > settings.max_batch_size:
        return Attempt(None, *figures, reason="batch-size")
    if needed > manager.free_blocks:
        return Attempt(None, *figures, reason="blocks")
    rows = [_row(manager, length, 0, False) for length in prompts]
    rows += [_row(manager, per_gen, 1, True) for _ in range(shape.num_gen)]
    return Attempt(Batch(rows), *figures)


def capture_request(settings: Settings, manager: BlockManager, size: int, draft: int) -> Attempt:
    """A generation batch of `size` rows for graph capture, as upstream's `_create_cuda_graph_warmup_request`.

    None with fewer free blocks than the rows take: one each, unless drafts need more. All rows are one token long but the
    last, which is as long as what is left.
    """
    figures = (manager.free_blocks, size * manager.needed(1 + draft), size * (1 + draft))
    if manager.free_blocks < figures[1]:
        return Attempt(None, *figures, reason="blocks")
    if settings.max_seq_len < 1 + draft:
        return Attempt(None, *figures, reason="tokens")
    rows = [_row(manager, 1 + draft, 0, True) for _ in range(size - 1)]
    left = min(manager.free_tokens, settings.max_seq_len) - (1 + draft)
    rows.append(_row(manager, 1 + draft, left, True))
    return Attempt(Batch(rows), *figures)


def _row(manager: BlockManager, length: int, start: int, generation: bool) -> Row:
    blocks = manager.allocate(start + length)
    if blocks is None:  # the caller has counted before
        raise MemoryError(f"{manager.free_blocks} free blocks do not hold {start + length} tokens")
    return Row([1] * length, start, blocks, generation)


def intersection(mine: Sequence[Shape], of_all: Sequence[Sequence[tuple[int, int]]]) -> list[Shape]:
    """The shapes that every rank has, in rank 0's order; this rank's labels."""
    common = set(of_all[0]).intersection(*map(set, of_all[1:]))
    by_numbers = {(shape.num_tokens, shape.num_gen): shape for shape in mine}
    return [by_numbers[numbers] for numbers in of_all[0] if numbers in common]
