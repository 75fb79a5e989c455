"""Runs a suite of unittest plainly and under `lockstep watch`, and reads what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

BIN = Path(sys.executable).parent
LIMIT_S = 1500.0


class Result(NamedTuple):
    """What all ranks have said in the end: how many tests ran and were skipped, and which went wrong."""

    ends: Counter[str]
    wrong: Counter[str]


def plain(words: Sequence[str], ranks: int, folder: Path, environment: Mapping[str, str] | None = None) -> Result:
    """Below the launcher alone; without one for a single process."""
    launcher = [str(BIN / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    done = _run([*launcher, *words], folder, environment)
    return _read(done.stdout + done.stderr)


def watched(
    words: Sequence[str], ranks: int, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[Result, dict[str, str]]:
    """The same watched, and the verdict."""
    prefix = [str(BIN / "lockstep"), "watch", "--json", "-n", str(ranks), "--"]
    done = _run([*prefix, *words], folder, environment)
    line = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    return _read(done.stdout + done.stderr), json.loads(line)


def _run(words: list[str], folder: Path, environment: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def _read(text: str) -> Result:
    ran = re.findall(r"^Ran (\d+) tests? in", text, re.MULTILINE)
    ends = re.findall(r"^(OK.*|FAILED \(.*\))$", text, re.MULTILINE)
    wrong = re.findall(r"^(?:FAIL|ERROR): (.*)$", text, re.MULTILINE)
    return Result(Counter([*ran, *ends]), Counter(wrong))
