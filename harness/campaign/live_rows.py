"""The rows that tell of a run at the foot of a terminal while it goes on: how it stands first, never cut. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from lockstep.harness.campaign.rank_words import RankWords
from lockstep.harness.report.width import middle_cut
from lockstep.harness.terminal import clean

MOST = 8  # cases in flight
LEAST = 12  # columns of a name that is cut


@dataclass(frozen=True, slots=True)
class Count:
    """Cases of a run: all, judged, and those of them that are not as expected."""

    total: int
    judged: int = 0
    wrong: int = 0


def standing_rows(count: Count, running: int, seconds: float, columns: int) -> list[str]:
    """How far the run is, folded where it has no room; what is wrong comes first."""
    parts = [f"{count.wrong} NOT AS EXPECTED"] if count.wrong else []
    parts += [f"{count.judged} of {count.total} judged", f"{running} running", clock(seconds)]
    rows = [parts[0]]
    for part in parts[1:]:
        joined = f"{rows[-1]}, {part}"
        rows[-1:] = [joined] if cell_len(joined) <= columns else [f"{rows[-1]},", part]
    return [piece for row in rows for piece in folded(row, columns)]


def case_rows(going: Sequence[tuple[str, RankWords]], columns: int, lines: int) -> list[str]:
    """Two rows a case: its name with the phases of its ranks, and who waits for whom. In `lines` lines at most."""
    rows: list[str] = []
    room = max(1, min(MOST, lines // 2))
    for name, words in going[:room]:
        rows.append(_named(plain(name), plain(words.phases), columns))
        if words.waits:
            rows.append(cut(f"  {plain(words.waits)}", columns))
    more = len(going) - room
    return rows + ([cut(f"and {more} more", columns)] if more > 0 else [])


def _named(name: str, phases: str, columns: int) -> str:
    """Both ends of a name tell more than its middle, and where the ranks are more than its middle too."""
    whole = f"{name}: {phases}"
    if cell_len(whole) <= columns:
        return whole
    room = max(LEAST, columns - cell_len(phases) - 2)
    return cut(f"{middle_cut(name, room)}: {phases}", columns)


def plain(text: str) -> str:
    """On one row, without what acts on a terminal."""
    return clean(text).replace("\n", " ").replace("\t", " ")


def cut(text: str, columns: int) -> str:
    """The beginning of a row, as wide as there is room."""
    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, columns - 3) + "..." if columns > 3 else set_cell_size(text, columns)


def folded(text: str, columns: int) -> list[str]:
    """The whole of a row, on as many lines as that takes; of narrow characters."""
    return [text[at : at + columns] for at in range(0, len(text), columns)]


def clock(seconds: float) -> str:
    """`0:07`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def program_rows(words: RankWords, seconds: float, columns: int) -> list[str]:
    """Of one program: how long it runs, where its ranks are, and who waits for whom."""
    first = folded(f"running, {clock(seconds)}", columns)
    rows: Sequence[str] = [first[-1] + f": {plain(words.phases)}"] if words.phases not in ("running", "starting") else []
    waits = [cut(f"  {plain(words.waits)}", columns)] if words.waits else []
    return [*first[:-1], cut(rows[0], columns) if rows and len(first) == 1 else first[-1], *waits]
