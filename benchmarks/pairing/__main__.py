"""Measures pairs, a JSON line each: `python -m benchmarks.pairing gloo|mpi RANKS [FORM [JOBS]]`; `... table FILE...`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.pairing.outcome import End


def main() -> None:
    """Measure, or turn what was measured into the table of the judge."""
    what, *rest = sys.argv[1:]
    if what == "table":
        from benchmarks.pairing import table

        print(table.written([Path(name) for name in rest]), end="")
        return
    library, version, found = _gloo(*rest) if what == "gloo" else _mpi(*rest)
    for first, second, ends in found:
        line = {"library": library, "version": version, "form": rest[1] if len(rest) > 1 else "small", "first": first,
                "second": second, "ends": [end.value for end in ends]}  # fmt: skip
        print(json.dumps(line), flush=True)


def _gloo(ranks: str, form: str = "small") -> tuple[str, str, Iterator[tuple[str, str, list[End]]]]:
    from benchmarks.pairing import gloo

    return "gloo", gloo.version(), gloo.measure(int(ranks), gloo.LARGE if form == "large" else gloo.SMALL)


def _mpi(ranks: str, form: str = "buffers", jobs: str = "1") -> tuple[str, str, Iterator[tuple[str, str, list[End]]]]:
    import subprocess

    from benchmarks.pairing import mpi

    # A process that has initialised MPI cannot start jobs.
    ask = "from mpi4py import MPI; print(MPI.get_vendor()[0], '.'.join(map(str, MPI.get_vendor()[1])))"
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.rpartition(" ")
    return told[0].strip(), told[2].strip(), mpi.measure(int(ranks), form, int(jobs))


if __name__ == "__main__":
    main()
