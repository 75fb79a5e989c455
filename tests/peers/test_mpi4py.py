"""mpi4py's own test suite gives the same results watched and plain, and nothing in it is called a hang."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.peers.suite import plain, watched

VERSION = "4.1.2"
PLACE = Path(__file__).parents[2] / "build" / "peers"
SOURCE = PLACE / f"mpi4py-{VERSION}"
# What to run instead of everything, in words: LOCKSTEP_PEERS="test_comm test_subclass".
MODULES = [word for word in os.environ.get("LOCKSTEP_PEERS", "").split() if word.startswith("test_")]
SLOW = {"test_io", "test_util_dtlib"}  # they call nothing that is recorded


def fetch() -> Path:
    """The suite, from the package index; it is not part of this project."""
    if not SOURCE.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        words = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-binary",
            ":all:",
        ]
        subprocess.run([*words, f"mpi4py=={VERSION}"], cwd=PLACE, check=True, timeout=600)
        with tarfile.open(PLACE / f"mpi4py-{VERSION}.tar.gz") as archive:
            archive.extractall(PLACE, filter="data")
    return SOURCE


def modules() -> list[str]:
    """The modules of the suite."""
    return MODULES or sorted({path.stem for path in (fetch() / "test").glob("test_*.py")} - SLOW)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("module", modules())
def test_same_results(module: str, ranks: int, tmp_path: Path) -> None:
    """The same tests run, pass, fail and are skipped; the verdict is what the command's own end says."""
    words = [sys.executable, "test/main.py", "-f", module]
    source = fetch()
    before = plain(words, ranks, source, tmp_path)
    after, verdict = watched(words, ranks, source, tmp_path)
    assert sum(before.ends[end] for end in before.ends if end[0] in "OF") == ranks  # all have come to an end
    assert after == before
    assert verdict["outcome"] == ("crash" if before.wrong else "success"), verdict["text"]
