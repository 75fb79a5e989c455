"""Kernels that are compiled when they are first needed: inside a forward, or before the warm-up with a barrier behind."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.failure.faults import Faults

KERNELS = ("layer", "experts")  # needed before a layer's first collective; between its dispatch and its combine


@dataclass(slots=True)
class Kernels:
    """This rank's kernels. How long one takes to compile is its own affair (a cold cache on disk, a slow core: a fault)."""

    faults: Faults
    compiled: set[str] = field(default_factory=set)

    def need(self, kernel: str) -> None:
        """Compile it, if this is the first time."""
        if kernel not in self.compiled:
            self.compiled.add(kernel)
            self.faults.compiling(kernel)

    def compile_all(self) -> None:
        """Compile what is not compiled yet."""
        for kernel in KERNELS:
            self.need(kernel)
