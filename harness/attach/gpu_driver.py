"""Whether the driver of a GPU may run Python code on threads of its own: a function of the host that a stream is to call."""

from __future__ import annotations

import functools
import gc
import os
import sys

LIBRARY = "libcuda"  # so the files of the driver and of its runtime begin
THREAD = "cuda"  # and so the driver names its threads
INTO_PYTHON = ("cuda", "cupy", "numba", "pycuda")  # packages that let a stream call Python
CALLBACK = "CThunkObject"  # by which ctypes gives a Python function to C
_frozen: list[bool] = []  # whether there were such objects, at each freeze: what is frozen is listed no more


def calls_python(pid: int) -> bool:
    """Whether anything in this process could have given it such a function. Of another process nobody can tell.

    It goes through all objects: only for a thread whose state depends on it.
    """
    if pid != os.getpid() or any(name in sys.modules for name in INTO_PYTHON):
        return True
    if any(_frozen) or (gc.get_freeze_count() and not _frozen):
        return True
    return _has_callback()


def watch_freezes() -> None:
    """Look at all objects before a program freezes them. What it has frozen before was not seen."""
    if gc.get_freeze_count():
        _frozen.append(True)
    original = gc.freeze

    @functools.wraps(original)
    def freeze() -> None:
        _frozen.append(_has_callback())
        original()

    gc.freeze = freeze


def _has_callback() -> bool:
    # By their types, of which there are few: all of it runs in C.
    return any(kind.__name__ == CALLBACK for kind in set(map(type, gc.get_objects())))
