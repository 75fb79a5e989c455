"""Readers of what others have written answer strange inputs: with a result, or with the error that is theirs. `make fuzz`
gives them many more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz import search as searching
from benchmarks.fuzz.search import TooSlowError, answer, search
from benchmarks.fuzz.targets import Target, targets

BROKEN = sorted(path for path in (Path(__file__).parent / "broken").rglob("*") if path.is_file())
NAMES = sorted(
    ["scenario", "config", "option", "filter", "command-line", "dump-json", "dump-pickle", "ras", "wire", "event-log",
     "run-json", "verdict-json", "host-file", "host-list", "waives", "inspection"]
)  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    """All targets by name."""
    return {target.name: target for target in targets(tmp_path_factory.mktemp("fuzz"))}


def test_every_reader_is_there(known: dict[str, Target]) -> None:
    """The names by which the tests here ask for them are all of them."""
    assert sorted(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_inputs_to_begin_with_are_good(name: str, known: dict[str, Target], tmp_path: Path) -> None:
    """What is changed is at first what a reader takes, or it would never come far."""
    ways = [answer(known[name], raw, tmp_path) for raw in known[name].seeds]
    assert not [broken for _, broken in ways if broken]
    assert any(way.startswith("read ") for way, _ in ways)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_reader(path: Path, known: dict[str, Target], tmp_path: Path) -> None:
    """It is answered now."""
    assert answer(known[path.parent.name], path.read_bytes(), tmp_path)[1] == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_short_search(name: str, known: dict[str, Target]) -> None:
    """A hundred and fifty changed inputs break nothing; some are read, or refused by the reader's own error."""
    found = search(known[name], "test", 60.0, most=150)
    assert found.broken == {}
    assert found.inputs == 150


def test_a_reader_that_breaks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails by an error that is not its own, or that does not end, is told with the first such input."""

    def read(raw: bytes, folder: Path) -> object:
        if b"a" not in raw:
            raise ZeroDivisionError
        while raw.count(b"a") > 1:
            pass
        return raw

    monkeypatch.setattr(searching, "SECONDS", 0.05)
    found = search(Target("broken", [b"abc"], read), "test", 60.0, most=200)
    assert {how.partition(" ")[0] for how in found.broken} == {"ZeroDivisionError", TooSlowError.__name__}
    assert all(b"a" not in raw for how, raw in found.broken.items() if how.startswith("Zero"))


def test_the_same_seed_is_the_same_search(known: dict[str, Target]) -> None:
    """What was found can be found again."""
    first, second = (search(known["filter"], "test", 60.0, most=100) for _ in range(2))
    assert (first.refused, first.inputs) == (second.refused, second.inputs)
