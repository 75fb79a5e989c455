"""What has come of launches: a line for each, in a file that a soak goes on from, and the table of any of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.soak.disturbance import Disturbance

FLAT_BYTES = 64 << 20
SETTLED = 20  # launches of one process after which memory, descriptors and threads are compared
FIGURES = {"memory": FLAT_BYTES, "descriptors": 0, "threads": 0}  # of the watchdog, and by how much each may grow
SOON_S = 5.0  # a real deadlock is proved


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch. `process`: of the soak that did it, in which it was the `turn`-th."""

    number: int
    program: str
    kind: str
    wrong: str
    left: tuple[str, ...]
    snapshots: int
    after_s: float | None  # from the last rank's block to the verdict, of a deadlock that was left alone
    process: str
    turn: int
    memory: int
    descriptors: int
    threads: int


class Record:
    """All launches of a file. One that was cut off, or is none, is made again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.launches: list[Launch] = []
        if path.is_file():
            self.launches = read(path)
            path.write_text("".join(map(_line, self.launches)))

    def add(self, launch: Launch) -> None:
        """Kept at once: a soak that is killed loses the launch that it was at."""
        self.launches.append(launch)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(_line(launch))

    def done(self) -> set[int]:
        """The numbers of launches that need not be made again."""
        return {launch.number for launch in self.launches}


def read(path: Path) -> list[Launch]:
    """The launches of a file; the last line may be cut off."""
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
    return [Launch(**{**raw, "left": tuple(raw["left"])}) for raw in map(json.loads, whole)]


def _line(launch: Launch) -> str:
    return json.dumps(asdict(launch)) + "\n"


def growth(launches: Iterable[Launch]) -> list[tuple[str, str, int, int]]:
    """Of each process of a soak and each figure: its name, the first value when all was settled, and the last."""
    by_process: dict[str, list[Launch]] = {}
    for launch in launches:
        if launch.turn >= SETTLED:
            by_process.setdefault(launch.process, []).append(launch)
    return [
        (process, name, getattr(ordered[0], name), getattr(ordered[-1], name))
        for process, found in by_process.items()
        if (ordered := sorted(found, key=lambda launch: launch.turn))
        for name in FIGURES
    ]


def failed(launches: Sequence[Launch]) -> bool:
    """Whether a verdict was wrong, or something stays or grows."""
    grew = any(last - first > FIGURES[name] for _, name, first, last in growth(launches))
    return grew or any(launch.wrong or launch.left for launch in launches)


def table(launches: Sequence[Launch]) -> list[str]:
    """What was done, and what was wrong."""
    counts = Counter((launch.program, launch.kind) for launch in launches)
    rows = ["| program | left alone | stopped | killed |", "|---|---|---|---|"]
    rows += [
        f"| {name} | " + " | ".join(str(counts[name, kind.value]) for kind in Disturbance) + " |"
        for name in sorted({name for name, _ in counts})
    ]
    wrong = [launch.wrong for launch in launches if launch.wrong]
    left = [f"launch {launch.number}: {launch.program}: {what}" for launch in launches for what in launch.left]
    snapshots = sum(launch.snapshots for launch in launches)
    rows += ["", f"{len(launches):,} launches, {snapshots:,} snapshots judged"]
    rows += [f"wrong: {len(wrong)}", *wrong, f"left behind: {len(left)}", *left]
    after = sorted(launch.after_s for launch in launches if launch.after_s is not None)
    if after:
        late = sum(one > SOON_S for one in after)
        rows.append(
            f"proved after: median {after[len(after) // 2]:.2f} s, at most {after[-1]:.2f} s, "
            f"{late} of {len(after)} after more than {SOON_S:g} s"
        )
    for process, name, first, last in growth(launches):
        unit, parts = (" MiB", 1 << 20) if name == "memory" else ("", 1)
        values = f"{first // parts}{unit} at first, {last // parts}{unit} at last"
        rows.append(f"{name} of the watchdog, process {process}: {values}")
    return rows
