"""Device breadcrumbs: the device itself marks where it enters and leaves a collective, in memory that the supervisor sees.

The words lie in the event ring, mapped into the device's address space, so one addition on the stream is all that a mark
takes, eager or captured. A rank that hangs inside a replayed graph can tell nothing; its words can.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lockstep.harness.trace import Comm, Recorder, breadcrumb


class Breadcrumbs:
    """The ring's words as a tensor on the device; one a communicator."""

    def __init__(self, recorder: Recorder, on: bool) -> None:
        """Raises RuntimeError when the memory cannot be mapped. Off: marks nothing."""
        self._recorder = recorder
        self.on = on
        if not on:
            return
        self._host = torch.frombuffer(recorder.breadcrumbs(), dtype=torch.int64)
        address, size = self._host.data_ptr(), self._host.nbytes
        error = torch.cuda.cudart().cudaHostRegister(address, size, 0)  # type: ignore[no-untyped-call]
        if int(error) != 0:
            raise RuntimeError(f"the device cannot map the event ring's breadcrumbs: {error}; set gpu.breadcrumbs: false")
        # With unified addressing (every 64-bit Linux) a registered address is the same on host and device.
        self._words = torch.as_tensor(_Mapped(address, self._host.numel()), device="cuda")

    @contextmanager
    def around(self, comm: Comm, op: str) -> Iterator[None]:
        """Mark on the current stream that what is issued inside has begun, and that it has ended."""
        if not self.on:
            yield
            return
        site = self._recorder.string(op)
        word = self._words[comm.id : comm.id + 1]
        word.add_(breadcrumb.enter(site))
        yield
        word.add_(breadcrumb.leave(site))


class _Mapped:
    """Memory at an address, as the CUDA array interface describes it: `count` 64-bit integers."""

    def __init__(self, address: int, count: int) -> None:
        self.__cuda_array_interface__: dict[str, Any] = {
            "shape": (count,),
            "typestr": "<i8",
            "data": (address, False),
            "version": 3,
            "strides": None,
        }
