"""The judge against all interleavings of random MPI programs. `python -m benchmarks.oracle [PROGRAMS] [SEED]`.

Nothing that is proved may move in any interleaving: exit code 1 if one does. How many of the programs' deadlocks are proved
is printed, and each that is not.
"""

from __future__ import annotations

import random
import sys

from tests.judge.agreement import agreement

PROGRAMS = 20_000
LISTED = 20


def measure(programs: int = PROGRAMS, seed: int | None = None) -> int:
    """Print what was found; 1 if something was proved that may move."""
    first = random.SystemRandom().randrange(10**9) if seed is None else seed
    found = agreement(range(first, first + programs))
    print(f"seed {first}: {programs} programs")
    for name, count in sorted(found.counts.items()):
        print(f"{name}: {count}")
    print(f"proved, of the deadlocks that events can tell: {found.proved:.4f}")
    for what, listed in (("called stuck, and may move", found.wrong), ("not proved", found.missed)):
        print(f"{what}: {len(listed)}", *listed[:LISTED], sep="\n  ")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(measure(*map(int, sys.argv[1:])))
