"""Reads of tensors by the host are recorded without the program's seeing any difference."""

from __future__ import annotations

import subprocess
import sys

from tests.attach.launch import HERE


def test_recorded_reads_are_what_they_were() -> None:
    """Values, tables of `__torch_function__` made before, parameters, compiled and traced functions, names: all the same."""
    words = [sys.executable, str(HERE / "programs" / "tensor_reads.py")]
    done = subprocess.run(words, timeout=120, capture_output=True, text=True)
    assert done.stdout.strip() == "the same", done.stderr
