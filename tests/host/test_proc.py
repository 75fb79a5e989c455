"""What the kernel tells of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockstep.harness.host import proc

ON_ONE = "import os\nos.sched_setaffinity(0, {%d})\nwhile True: pass"


def test_who_shares_a_processor_waits_for_it() -> None:
    """Two that compute on one processor: each wants it for longer and longer while the other has it."""
    core = min(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", ON_ONE % core]) for _ in range(2)]
    try:
        if not Path(f"/proc/{busy[0].pid}/schedstat").exists():
            pytest.skip("this kernel keeps no account of it")
        while any(proc.waited_for_processor_ns(process.pid) < 200_000_000 for process in busy):
            time.sleep(0.05)
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_who_is_gone_waits_for_nothing() -> None:
    """A process that has ended, as where the kernel tells nothing."""
    assert proc.waited_for_processor_ns(2**22 + 7) == 0
