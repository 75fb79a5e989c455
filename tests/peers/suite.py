"""Runs a suite of unittest plainly and under `lockstep watch`, and reads what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

BIN = Path(sys.executable).parent
LIMIT_S = 1500.0


class Result(NamedTuple):
    """What all ranks have said in the end: how many tests ran and were skipped, and which went wrong."""

    ends: Counter[str]
    wrong: Counter[str]


# Each rank writes into a file of its own: what several write into one stream at a time comes out mixed within lines.
_OWN_FILE = 'exec "$@" >"$0.${PMI_RANK:-${OMPI_COMM_WORLD_RANK:-0}}" 2>&1'


def plain(words: Sequence[str], ranks: int, folder: Path, output: Path) -> Result:
    """Below the launcher alone; without one for a single process. `folder`: where it runs. `output`: for what it says."""
    launcher = [str(BIN / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    _run([*launcher, *_into(output / "plain", words)], folder)
    return _read(output, "plain", ranks)


def watched(words: Sequence[str], ranks: int, folder: Path, output: Path) -> tuple[Result, dict[str, str]]:
    """The same watched, and the verdict."""
    prefix = [str(BIN / "lockstep"), "watch", "--json", "--reports", str(output / "reports"), "-n", str(ranks), "--"]
    done = _run([*prefix, *_into(output / "watched", words)], folder)
    line = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    return _read(output, "watched", ranks), json.loads(line)


def _into(path: Path, words: Sequence[str]) -> list[str]:
    return ["sh", "-c", _OWN_FILE, str(path), *words]


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def _read(output: Path, name: str, ranks: int) -> Result:
    text = "\n".join((output / f"{name}.{rank}").read_text(errors="replace") for rank in range(ranks))
    ran = re.findall(r"^Ran (\d+) tests? in", text, re.MULTILINE)
    ends = re.findall(r"^(OK.*|FAILED \(.*\))$", text, re.MULTILINE)
    wrong = re.findall(r"^(?:FAIL|ERROR): (.*)$", text, re.MULTILINE)
    return Result(Counter([*ran, *ends]), Counter(wrong))
