"""What is doubted of a process with a driver's thread: `driver.py LIBRARY WHAT`; WHAT is done before anybody looks."""

from __future__ import annotations

import ctypes
import os
import sys
import time
import types

from lockstep.harness.attach.natives import doubts_about

library, what = sys.argv[1:]
driver = ctypes.CDLL(library)
driver.start_driver.argtypes = [ctypes.c_void_p]
driver.start_driver(ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value)
time.sleep(0.2)
doubts_about(os.getpid(), {os.getpid()})  # what was harmless once need not stay so
kept: list[object] = []
if what == "callback":
    kept.append(ctypes.CFUNCTYPE(None)(lambda: None))
if what == "package":
    sys.modules["cupy"] = types.ModuleType("cupy")
print(*doubts_about(os.getpid(), {os.getpid()}), sep="\n")
