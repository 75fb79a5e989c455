"""What is doubted of a process with a thread that polls: `proxy.py LIBRARY NAME`; the thread is of that library and name."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from lockstep.harness.attach.natives import doubts_about

library, name = sys.argv[1:]
kept = ctypes.create_string_buffer(name.encode())
ctypes.CDLL(library).start_proxy(kept)
while not any((one / "comm").read_text().strip() == name for one in Path("/proc/self/task").iterdir()):
    os.sched_yield()  # it is on its way
print(*doubts_about(os.getpid(), {os.getpid()}), sep="\n")
