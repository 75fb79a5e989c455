"""What of a process's communication writes no events: MPI and NCCL called past their Python modules, calls from outside."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from lockstep.harness.attach import gpu_driver, recording
from lockstep.harness.attach.recorded import recorded

UNSEEN = ("MPI_", "PMPI_", "nccl")
HARMLESS = ("MPI_Get_", "MPI_Abi_", "MPI_Wtime", "MPI_Comm_rank", "MPI_Comm_size", "ncclGet")  # they never communicate


def wrap_ctypes(module: ModuleType) -> None:
    """A function of MPI or NCCL that is looked up through ctypes may communicate unseen; one that it makes may be called."""
    gpu_driver.watch_freezes()

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        name = arguments[1]
        if isinstance(name, str) and name.startswith(UNSEEN) and not name.startswith(HARMLESS):
            recording.opaque(f"{name} is called through ctypes")

    module.CDLL.__getitem__ = recorded(module.CDLL.__getitem__, prepare)


def wrap_cffi(module: ModuleType) -> None:
    """The functions of a library that cffi opens are its own; all that can be seen is which library it is."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        name = named.get("name", arguments[1] if len(arguments) > 1 else None)
        if not isinstance(name, str) or "mpi" in name or "nccl" in name:
            recording.opaque(f"{name or 'the program itself'} was opened by cffi")

    module.FFI.dlopen = recorded(module.FFI.dlopen, prepare)


def wrap_rpc(module: ModuleType) -> None:
    """Who takes part in torch's RPC runs what others ask for, at any moment, on threads of its own."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        recording.opaque("it takes part in torch.distributed.rpc: others may have it do anything at any moment")

    if hasattr(module, "init_rpc"):
        module.init_rpc = recorded(module.init_rpc, prepare)  # type: ignore[attr-defined]
