"""Engines inside the test's process: ranks as threads over an in-process communicator, and one rank alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from engines.minimal.settings import Settings
from harness.scenario.load import load_all

JOIN_S = 20.0


class ThreadCommunicator:
    """A communicator between threads, for control flow alone."""

    def __init__(self, rank: int, size: int, barrier: threading.Barrier, board: list[object]) -> None:
        self.rank, self.size = rank, size
        self._barrier, self._board = barrier, board

    def allgather(self, value: object) -> list[Any]:
        """Every member's value."""
        self._board[self.rank] = value
        self._barrier.wait()
        found = list(self._board)
        self._barrier.wait()
        return found

    def barrier(self) -> None:
        """Wait for every member."""
        self._barrier.wait()


def on_ranks(size: int, work: Callable[[ThreadCommunicator], Any]) -> list[Any]:
    """What `work` returns, or raises, on each of `size` ranks. A rank that waits for ever gives BrokenBarrierError."""
    barrier = threading.Barrier(size, timeout=JOIN_S / 4)
    board: list[object] = [None] * size
    results: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            results[rank] = work(ThreadCommunicator(rank, size, barrier, board))
        except Exception as error:  # handed to the test
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
    return results


def settings(changes: dict[str, Any] | None = None, rank: int = 0, world: int = 1) -> Settings:
    """Settings as a scenario gives them, with changes by dotted key."""
    values = {"parallel": {"tp": world}, "kv_capacity": {"blocks": 64}, **(changes or {})}
    case = load_all(["tests/engine/base.yaml"], values)[0]
    return Settings.from_spec(case.spec, rank, world)
