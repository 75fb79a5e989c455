"""Who says which KV blocks a request gets where ranks share requests (GeeeekExplorer/nano-vllm#275)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class BlockIds(Protocol):
    """`tp`: the ranks that share this rank's requests; None: nobody does."""

    def allocate(self, tokens: int, manager: BlockManager, tp: Communicator | None) -> list[int] | None:
        """Blocks for so many tokens; None where they do not fit."""

    def free(self, blocks: list[int], manager: BlockManager, tp: Communicator | None) -> None:
        """Nobody needs them any more."""


class Own:
    """Sound: each rank, of its own pool."""

    def allocate(self, tokens: int, manager: BlockManager, tp: Communicator | None) -> list[int] | None:
        """Its own."""
        return manager.allocate(tokens)

    def free(self, blocks: list[int], manager: BlockManager, tp: Communicator | None) -> None:
        """Its own."""
        manager.free(blocks)


class FirstRank(Own):
    """One rank for all by its own pool, which may have blocks that the others have not (GeeeekExplorer/nano-vllm#275)."""

    def allocate(self, tokens: int, manager: BlockManager, tp: Communicator | None) -> list[int] | None:
        """The first rank's."""
        if tp is None:
            return manager.allocate(tokens)
        given: list[int] | None = tp.broadcast(manager.allocate(tokens) if tp.rank == 0 else None, 0, "block ids")
        return given

    def free(self, blocks: list[int], manager: BlockManager, tp: Communicator | None) -> None:
        """On the rank that has handed them out."""
        if tp is None or tp.rank == 0:
            manager.free(blocks)


BLOCK_IDS = Point[BlockIds](
    "block_ids",
    "who says which KV blocks a request gets where ranks share requests; `first-rank`: one for all, by its own pool",
    {"own": Own(), "first-rank": FirstRank()},
)
