"""`python -m benchmarks.fuzz SECONDS [SEED]`: all targets, each for its share of the time. What breaks a reader is kept in
tests/fuzz/broken, where a test gives it to its reader again, and the exit code is 1.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
from pathlib import Path

from benchmarks.fuzz.search import Found, search
from benchmarks.fuzz.targets import ROOT, targets

BROKEN = ROOT / "tests/fuzz/broken"
MEMORY = 4 << 30


def keep(found: Found) -> None:
    """Write down what broke it."""
    for how, raw in found.broken.items():
        folder = BROKEN / found.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(raw).hexdigest()[:12]).write_bytes(raw)
        print(f"  {found.name}: {how}")


def main(words: list[str]) -> int:
    """Print the table."""
    seconds, seed = float(words[0]) if words else 60.0, words[1] if len(words) > 1 else "1"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rows: list[Found] = []
    with tempfile.TemporaryDirectory() as folder:
        every = targets(Path(folder))
        print(
            f"seed {seed}, {seconds:.0f} s\n\n| what is read | inputs | refused | slowest | broken |\n|---|---|---|---|---|"
        )
        for target in every:
            found = search(target, seed, seconds / len(every))
            rows.append(found)
            broken = len(found.broken)
            print(
                f"| {found.name} | {found.inputs:,} | {found.refused:,} | {found.slowest_s:.2f} s | {broken} |", flush=True
            )
            keep(found)
    print(f"| all | {sum(row.inputs for row in rows):,} | {sum(row.refused for row in rows):,} | | |")
    return int(any(row.broken for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
