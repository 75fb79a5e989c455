"""Coverage: which mechanism classes and guards a run has met, and what came of them. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.harness.report.line import Line

OUTCOMES = ("hang", "raise", "crash", "success", "slow", "invalid")


def render(lines: Sequence[Line]) -> str:
    """A Markdown table of class and guard against outcome; nothing for a run without a class."""
    count: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in lines:
        if line.mechanism_class:
            count[line.mechanism_class, line.guard][line.outcome] += 1
    if not count:
        return ""
    rows = [
        f"| {name} | {guard or '-'} | {' | '.join(str(found[outcome] or '') for outcome in OUTCOMES)} |"
        for (name, guard), found in sorted(count.items(), key=_place)
    ]
    return f"| class | guard | {' | '.join(OUTCOMES)} |\n|---|---|{'---|' * len(OUTCOMES)}\n" + "\n".join(rows) + "\n"


def guard_text(point: Mapping[str, Any]) -> str:
    """What a point of the matrix sets of the guards, in the form `name=value`."""
    found: list[str] = []
    for key, value in point.items():
        if key == "guards" and isinstance(value, Mapping):
            found += [f"{name}={one}" for name, one in value.items()]
        elif key.startswith("guards."):
            found.append(f"{key.removeprefix('guards.')}={value}")
    return " ".join(found)


def _place(item: tuple[tuple[str, str], Counter[str]]) -> tuple[int, str]:
    """By the number of the class, then by guard."""
    (name, guard), _ = item
    number = name[1:].partition("-")[0]
    return int(number) if number.isdigit() else 0, guard
