"""The figures of docs/scale.md as Markdown tables, each case in a process of its own: `make bench-scale`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

from lockstep.harness.launch.probe import environment

LOADS = {
    "100": ["100"],
    "1,000": ["1000"],
    "1,000, one group": ["1000", "0.1", "--wide"],
    "10,000": ["10000", "0.6"],
}
DECISIONS = {"1,000": ["1000"], "10,000": ["10000"]}
SUPERVISORS = {
    "16": ["16"],
    "64": ["64"],
    "256": ["256"],
    "256, no MPI": ["256", "deadlock", "none"],
    "256, clean": ["256", "clean"],
}


def figures(module: str, arguments: list[str]) -> dict[str, str]:
    """What a benchmark prints; why it failed, if it did."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1][:200]}
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def table(module: str, cases: dict[str, list[str]]) -> str:
    """A line for each figure, a column for each case."""
    found = {name: figures(module, arguments) for name, arguments in cases.items()}
    names = list(dict.fromkeys(figure for column in found.values() for figure in column))
    rows = [f"| {name} | " + " | ".join(column.get(name, "") for column in found.values()) + " |" for name in names]
    return "\n".join([f"| | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|", *rows])


def main() -> None:
    """Print where this is, and both tables."""
    facts = environment()
    load = os.getloadavg()[0]
    machine = f"{platform.machine()}, {facts['cores']} cores, {facts['memory_bytes'] >> 30} GiB, Python {facts['python']}"
    print(f"{machine}, load {load:.1f}")
    tables = {"watchdog_load": LOADS, "decision": DECISIONS, "supervisors": SUPERVISORS}
    for module, cases in ((f"benchmarks.{name}", cases) for name, cases in tables.items()):
        print(f"\n`python -m {module}`\n", table(module, cases), sep="\n", flush=True)


if __name__ == "__main__":
    main()
