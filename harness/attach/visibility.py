"""What of a process's communication writes no events: MPI and NCCL called past their Python modules."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from lockstep.harness.attach import recording

UNSEEN = ("MPI_", "PMPI_", "nccl")
HARMLESS = ("MPI_Get_", "MPI_Abi_", "MPI_Wtime", "MPI_Comm_rank", "MPI_Comm_size", "ncclGet")  # they never communicate


def wrap_ctypes(module: ModuleType) -> None:
    """A function of MPI or NCCL that is looked up through ctypes may communicate unseen."""
    original = module.CDLL.__getitem__

    @functools.wraps(original)
    def getitem(self: Any, name: Any) -> Any:
        if isinstance(name, str) and name.startswith(UNSEEN) and not name.startswith(HARMLESS):
            recording.opaque(f"{name} is called through ctypes")
        return original(self, name)

    module.CDLL.__getitem__ = getitem
