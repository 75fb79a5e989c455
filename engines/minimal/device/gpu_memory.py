"""A rank's share of a GPU's memory: the budget, what is left of it, and ballast that really takes it. Bytes throughout."""

from __future__ import annotations

import gc

import torch

CONTEXT = 1 << 30  # a process's CUDA context, its modules and its inboxes take less than this beside the budget
SMALLEST = 1 << 9  # what torch's allocator deals in
SHARE = 0.9  # of the GPU, for all ranks together, where the scenario gives no budget


class GpuMemory:
    """Enforced by torch's allocator: beyond the budget an allocation fails as it would on a full GPU."""

    def __init__(self, wanted: int | None, sharers: int) -> None:
        """`wanted`: the scenario's budget; without one an equal share for each of `sharers`.

        Raises MemoryError when the budgets and contexts of all sharers would not fit.
        """
        self.total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
        self.budget = wanted or max(int(self.total * SHARE) // sharers - CONTEXT, 0)
        if self.budget < 1 or sharers * (self.budget + CONTEXT) > self.total:
            raise MemoryError(
                f"{sharers} ranks with {self.budget} bytes each, and {CONTEXT} each for their contexts, do not fit into the "
                f"GPU's {self.total}; lower gpu.memory_bytes"
            )
        torch.cuda.set_per_process_memory_fraction(self.budget / self.total)
        self._ballast: list[torch.Tensor] = []
        self._activations = 0

    @property
    def free(self) -> int:
        """What is left of the budget, less what the largest forward was seen to need."""
        return self.budget - torch.cuda.memory_allocated() - self._activations

    def profiled(self) -> None:
        """The largest forward has run: what the allocator held for it at its peak is to be kept free."""
        self._activations = torch.cuda.max_memory_reserved() - torch.cuda.memory_allocated()
        torch.cuda.empty_cache()

    def take(self, size: int) -> None:
        """Allocate and touch `size` bytes, and keep them. Raises torch's OutOfMemoryError where they are not there."""
        if size > 0:
            self._ballast.append(torch.ones(size, dtype=torch.uint8, device="cuda"))

    def take_all_but(self, leave: int) -> None:
        """Take everything but `leave` bytes; also what the allocator has cached."""
        gc.collect()
        torch.cuda.empty_cache()
        size = 1 << (self.budget.bit_length() - 1)
        while size >= SMALLEST:
            # Halving finds the gaps between what is in use too, as another tenant's allocations would.
            if self.budget - torch.cuda.memory_allocated() - size >= leave:
                try:
                    self.take(size)
                    continue
                except torch.OutOfMemoryError:
                    pass
            size //= 2

    def figures(self) -> dict[str, int]:
        """For the evidence."""
        return {
            "total_bytes": self.total,
            "budget_bytes": self.budget,
            "allocated_bytes": torch.cuda.memory_allocated(),
            "peak_bytes": torch.cuda.max_memory_allocated(),
            "profiled_bytes": self._activations,
        }
