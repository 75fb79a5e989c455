"""Whether the driver of a GPU may run Python code on threads of its own: a function of the host that a stream is to call."""

from __future__ import annotations

import gc
import os
import sys

LIBRARY = "libcuda"  # so the files of the driver and of its runtime begin
THREAD = "cuda"  # and so the driver names its threads
INTO_PYTHON = ("cuda", "cupy", "numba", "pycuda")  # packages that let a stream call Python
CALLBACK = "CThunkObject"  # by which ctypes gives a Python function to C


def calls_python(pid: int) -> bool:
    """Whether anything in this process could have given it such a function. Of another process nobody can tell."""
    if pid != os.getpid() or any(name in sys.modules for name in INTO_PYTHON):
        return True
    return any(type(one).__name__ == CALLBACK for one in gc.get_objects())
