"""Libraries that stand in for those of GPUs: built from a source below programs/, under the name of the real one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.attach.launch import HERE


def built(source: str, target: Path) -> Path:
    """The shared library. The test is skipped where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler")
    words = [compiler, "-shared", "-fPIC", "-O0", "-o", str(target), str(HERE / "programs" / source), "-lpthread"]
    subprocess.run(words, check=True, timeout=60)
    return target
