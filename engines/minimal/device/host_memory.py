"""A rank's share of the host's memory: what its forwards may take beside what it holds when its model stands."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


class HostMemory:
    """A limit that the kernel enforces (RLIMIT_AS), for as long as a forward allocates its workspace.

    Only then, so that what runs out of memory is the forward and not the interpreter somewhere.
    """

    def __init__(self, limit: int | None) -> None:
        """`limit`: bytes from now on; None: none."""
        self._limit = None if limit is None else _address_space() + limit

    @property
    def free(self) -> int | None:
        """Bytes that are left; None: no limit."""
        return None if self._limit is None else max(0, self._limit - _address_space())

    def workspace(self, size: int) -> None:
        """Really take `size` bytes, and give them back. Raises MemoryError when the kernel refuses."""
        if not size:
            return
        with self._limited():
            try:
                torch.empty(size, dtype=torch.uint8)
            except RuntimeError as error:
                text = f"out of memory: a workspace of {size} bytes where {self.free} are free"
                raise MemoryError(text) from error

    @contextmanager
    def _limited(self) -> Iterator[None]:
        if self._limit is None:
            yield
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (self._limit, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Bytes of address space that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
