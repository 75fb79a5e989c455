"""`doctor`'s trial of a GPU: `python -m lockstep.harness.launch.trial_gpu` has its stream mark a word in host memory.

That is what a breadcrumb takes: memory of the host that the device can write to, and an addition on a stream.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

from lockstep.harness.trace import breadcrumb

SITE = 7
MARKED = "LOCKSTEP-MARKED"


class _Mapped:
    """One 64-bit integer at an address, as the CUDA array interface describes it."""

    def __init__(self, address: int) -> None:
        self.__cuda_array_interface__: dict[str, Any] = {
            "shape": (1,),
            "typestr": "<i8",
            "data": (address, False),
            "version": 3,
            "strides": None,
        }


def main() -> None:
    """Map, mark, read. What fails says so and ends with 1."""
    import torch

    page = mmap.mmap(-1, mmap.PAGESIZE)
    word = ctypes.c_int64.from_buffer(page)
    error = torch.cuda.cudart().cudaHostRegister(ctypes.addressof(word), mmap.PAGESIZE, 0)  # type: ignore[no-untyped-call]
    if int(error) != 0:
        sys.exit(f"the device cannot map memory of the host: {error}")
    words = torch.as_tensor(_Mapped(ctypes.addressof(word)), device="cuda")
    words.add_(breadcrumb.enter(SITE))
    torch.cuda.synchronize()
    if breadcrumb.Crumb.parse(word.value) != breadcrumb.Crumb(1, SITE):
        sys.exit(f"the stream has not marked its word: {word.value:#x}")
    words.add_(breadcrumb.leave(SITE))
    torch.cuda.synchronize()
    if breadcrumb.Crumb.parse(word.value).inside:
        sys.exit(f"the stream has not taken its mark back: {word.value:#x}")
    print(MARKED, torch.cuda.get_device_name(0))


if __name__ == "__main__":
    main()
