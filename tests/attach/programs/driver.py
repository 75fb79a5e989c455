"""What is doubted of a process with a driver's thread: `driver.py LIBRARY WHAT`; WHAT is done before anybody looks."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import types
from pathlib import Path

from lockstep.harness.attach import gpu_driver
from lockstep.harness.attach.natives import doubts_about

library, what = sys.argv[1:]
NAME = "pt_gloo_runloop" if "worker" in what else "cuda-EvtHandlr"  # as a thread is called that one of torch's starts
driver = ctypes.CDLL(library)
driver.start_driver.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
old = None if "worker" in what else ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value
driver.start_driver(old, NAME.encode())
TASKS = Path("/proc/self/task")
while not any(
    (one / "comm").read_text().strip() == NAME and (one / "syscall").read_text()[0].isdigit() for one in TASKS.iterdir()
):
    os.sched_yield()  # it is on its way to its sleep
doubts_about(os.getpid(), {os.getpid()})  # what was harmless once need not stay so
kept: list[object] = []
if "watched" in what:
    gpu_driver.watch_freezes()
if "callback" in what:
    kept.append(ctypes.CFUNCTYPE(None)(lambda: None))
if "frozen" in what:
    gc.freeze()
if what == "package":
    sys.modules["cupy"] = types.ModuleType("cupy")
print(*doubts_about(os.getpid(), {os.getpid()}), sep="\n")
