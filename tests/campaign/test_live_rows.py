"""The rows at the foot of a terminal: how a run stands is whole at any width, and no row is wider than the terminal."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lockstep.harness.campaign import rank_words
from lockstep.harness.campaign.live_rows import Count, case_rows, clock, program_rows, standing_rows
from lockstep.harness.campaign.rank_words import RankLooks, RankWords
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import Wait
from lockstep.harness.watchdog.ranks.communicators import Communicators
from lockstep.harness.watchdog.ranks.rank_table import RankTable

NUMBERS = st.integers(0, 100_000)
WORDS = st.builds(RankWords, st.text(max_size=60), st.text(max_size=200))


@given(st.builds(Count, NUMBERS, NUMBERS, NUMBERS), NUMBERS, st.floats(0, 1e6), st.integers(1, 200))
def test_standing_is_never_cut(count: Count, running: int, seconds: float, columns: int) -> None:
    """All of it stands there, what is wrong first, on as many rows as it takes."""
    rows = standing_rows(count, running, seconds, columns)
    assert all(0 < cell_len(row) <= columns for row in rows)
    parts = [f"{count.wrong} NOT AS EXPECTED"] if count.wrong else []
    parts += [f"{count.judged} of {count.total} judged", f"{running} running", clock(seconds)]
    assert "".join("".join(rows).split()) == "".join(",".join(parts).split())


@given(st.lists(st.tuples(st.text(max_size=150), WORDS), max_size=20), st.integers(1, 200), st.integers(1, 60))
def test_cases_fit(going: list[tuple[str, RankWords]], columns: int, lines: int) -> None:
    """Names of any length, any characters, any number of cases: rows fit, and nothing in them acts on a terminal."""
    rows = case_rows(going, columns, lines)
    assert all(cell_len(row) <= columns for row in rows)
    assert len(rows) <= max(2, lines) + 1
    assert all(
        character.isprintable() or ord(character) > 127 for row in rows for character in row if character not in "\t\n"
    )


@given(WORDS, st.floats(0, 1e6), st.integers(1, 200))
def test_a_program_fits(words: RankWords, seconds: float, columns: int) -> None:
    """So do those of a program, which begin with how long it runs."""
    rows = program_rows(words, seconds, columns)
    assert all(cell_len(row) <= columns for row in rows)
    assert "".join(rows).startswith("running, "[:columns])


def test_both_ends_of_a_name() -> None:
    """A long name keeps its ends and the phase of its ranks."""
    (row,) = case_rows([(f"begin{'x' * 100}end", RankWords("warmup"))], 40, 10)
    assert row.startswith("begin")
    assert row.endswith("end: warmup")
    assert len(row) == 40


class Ranks:
    """Rank 0 and 1 in a barrier for which rank 2 has not come."""

    def __init__(self, numbers: tuple[int, int] = (3, 3)) -> None:
        self.comms = Communicators({"w": (0, 1, 2)}, {"w": ("gloo", "world")})
        self.numbers = numbers

    def states(self) -> dict[int, RankState]:
        """As they stand now."""
        found = {rank: RankState(rank) for rank in range(3)}
        for rank, number in enumerate(self.numbers):
            found[rank].waiters[0] = Wait("w", number, "barrier", Need.ALL, -1, 0, 0, "step", "", "")
            found[rank].entered["w"] = number
        found[2].entered["w"] = 2
        return found


def test_a_wait_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told when two looks have found it, with whom it is for; one that is another each time is not."""
    monkeypatch.setattr(rank_words, "EVERY_S", 0.0)
    monkeypatch.setattr(rank_words, "REST", 0)
    ranks, looks = Ranks(), RankLooks()

    def waits() -> str:
        words = looks.look(cast(RankTable, ranks))
        assert words is not None
        return words.waits

    assert waits() == ""
    assert waits() == "ranks 0-1 in gloo world barrier #3 for rank 2"
    ranks.numbers = (4, 3)
    assert waits() == "rank 1 in gloo world barrier #3 for rank 2"


def test_looks_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that watches is not asked twice within the interval."""
    monkeypatch.setattr(rank_words, "EVERY_S", 3600.0)
    looks = RankLooks()
    assert looks.look(cast(RankTable, Ranks())) is not None
    assert looks.look(cast(RankTable, Ranks())) is None
