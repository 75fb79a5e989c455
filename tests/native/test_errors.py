"""Errors by which MPI ends the job: the rank that made one, in which call, at which line, with the library's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.vocabulary import Cause, Outcome
from tests.attach.launch import watch
from tests.native.recorder import compiled, library, marked


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPI is recorded in C."""
    library()
    monkeypatch.setenv(NATIVE, "1")


@pytest.mark.parametrize(
    ("way", "call", "words"),
    [
        ("truncated", "MPI_Recv", "truncated"),
        ("request", "MPI_Wait", "truncated"),
        ("copied", "MPI_Send", "rank"),
        ("untold", "MPI_Type_commit", "datatype"),  # a function that has no wrapper
        ("window", "MPI_Put", "rank"),
    ],
)
def test_the_rank_that_made_it_raised(way: str, call: str, words: str, tmp_path: Path) -> None:
    """Though the launcher kills everybody over it, the verdict has the rank, its call, its line and what MPI said."""
    verdict = watch([compiled("errors.c", tmp_path), way], 2, tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.RAISE, Cause.SOME_RANKS), verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (1,)
    assert f"Rank 1 raised {call} at " in verdict.text
    assert f"errors.c:{marked('errors.c', way)} in main" in verdict.text
    assert words in verdict.text


def test_a_program_sees_the_handlers_that_it_has(tmp_path: Path) -> None:
    """Those of MPI that end the job are the ones it is told of, and an error that it wants returned is no failure."""
    verdict = watch([compiled("errors.c", tmp_path), "asks"], 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
