"""All figures in one run: `make bench`. Each module is also a command of its own."""

from __future__ import annotations

import platform

from benchmarks import (
    bisect,
    case_cost,
    decision,
    false_hangs,
    judge,
    overhead,
    recording,
    supervisors,
    verdict_time,
    watchdog_load,
)
from lockstep.harness.launch.probe import environment

MODULES = (recording, overhead, judge, decision, case_cost, verdict_time, false_hangs, bisect, watchdog_load, supervisors)


def main() -> None:
    """Measure one thing after the other and print every figure with its name."""
    facts = environment()
    print(f"{platform.processor() or platform.machine()}, {facts['cores']} cores, Python {facts['python']}, {facts['mpi']}")
    for module in MODULES:
        print(f"\n{(module.__doc__ or '').splitlines()[0]}")
        for name, value in module.measure().items():
            print(f"  {name}: {value:.4g}")


if __name__ == "__main__":
    main()
