"""Which KV block belongs to whom: a free list with exact accounting. No tensor in sight."""

from __future__ import annotations


class BlockManager:
    """`blocks` blocks of `tokens_per_block` tokens. A request that does not fit is refused, never cut."""

    def __init__(self, blocks: int, tokens_per_block: int) -> None:
        self.blocks = blocks
        self.tokens_per_block = tokens_per_block
        self._free = list(range(blocks - 1, -1, -1))
        self._used: set[int] = set()

    @property
    def free_blocks(self) -> int:
        """Blocks that belong to nobody."""
        return len(self._free)

    @property
    def free_tokens(self) -> int:
        """Tokens that fit into them."""
        return len(self._free) * self.tokens_per_block

    def needed(self, tokens: int) -> int:
        """Blocks that a sequence of `tokens` tokens takes; at least one."""
        return max(1, -(-tokens // self.tokens_per_block))

    def allocate(self, tokens: int) -> list[int] | None:
        """Blocks for a sequence; None when there are too few."""
        count = self.needed(tokens)
        if count > len(self._free):
            return None
        return self._take(count)

    def free(self, blocks: list[int]) -> None:
        """Give blocks back. Raises ValueError for a block that is free already."""
        if not self._used.issuperset(blocks) or len(set(blocks)) != len(blocks):
            raise ValueError(f"blocks {blocks} are given back twice")
        self._used.difference_update(blocks)
        self._free += reversed(blocks)

    def take_all_but(self, leave: int) -> list[int]:
        """Take every free block but `leave` of them: what a neighbour in the same memory does."""
        return self._take(max(0, len(self._free) - leave))

    def _take(self, count: int) -> list[int]:
        taken = [self._free.pop() for _ in range(count)]
        self._used.update(taken)
        return taken
