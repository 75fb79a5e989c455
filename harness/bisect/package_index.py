"""The releases of a package as pip sees them: those that it could install for an interpreter, from where it is told to."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence

from lockstep.harness.bisect.errors import BisectionError

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
AVAILABLE = re.compile(r"^Available versions: (.*)$", re.MULTILINE)
ASK_S = 120.0


def versions(name: str, python: str, options: Sequence[str], pre: bool) -> list[str]:
    """All releases, the oldest first. Raises BisectionError where pip knows none."""
    base = name.partition("[")[0]
    words = [*PIP, "--python", python, "index", "versions", base, *options, *(["--pre"] if pre else [])]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BisectionError(
            f"--versions {base}: pip has not answered within {ASK_S:.0f} s; see --pip for its options"
        ) from error
    if "No module named pip" in done.stderr:
        raise BisectionError(f"pip is not installed for {sys.executable}; run `{sys.executable} -m ensurepip`")
    found = AVAILABLE.search(done.stdout)
    if done.returncode != 0 or found is None:
        last = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")] or ["no answer"]
        raise BisectionError(
            f"--versions {base}: pip knows no release: {last[-1]}; --pip gives it options, such as an index"
        )
    return list(reversed(found[1].replace(",", " ").split()))
