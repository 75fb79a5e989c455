"""The table beside the programs of a suite: what it says, and what is said of its mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.suite.table import SuiteError, load


def folder(at: Path, table: str, name: str = "table.csv") -> Path:
    """A folder with a table and two programs."""
    for program in ("a.py", "b.c"):
        (at / program).write_text("")
    (at / name).write_text(table)
    return at


def test_rows_become_programs(tmp_path: Path) -> None:
    """Every column is read; what is left out has its default."""
    columns = "program,ranks,arguments,category,deadlock,blame,lines"
    table = f"{columns}\na.py,3,\"x 'y z'\",call ordering,yes,0 2,7 9\nb.c,,,correct,,,\n"
    one, two = load(folder(tmp_path, table))
    assert (one.name, one.ranks, one.arguments) == ("a.py x y z -n 3", 3, ("x", "y z"))
    assert (one.category, one.deadlock, sorted(one.blame), sorted(one.lines)) == ("call ordering", True, [0, 2], [7, 9])
    assert (two.ranks, two.arguments, two.deadlock, two.correct) == (2, (), None, True)


def test_yaml_says_the_same(tmp_path: Path) -> None:
    """Lists and mappings instead of columns; a command may stand in the place of a program."""
    first = "- {program: a.py, category: race, deadlock: no, lines: [7, 9]}"
    table = f"{first}\n- {{command: '{{python}} {{folder}}/a.py', category: correct}}\n"
    one, two = load(folder(tmp_path, table, "table.yaml"))
    assert (one.deadlock, sorted(one.lines)) == (False, [7, 9])
    assert two.command == (sys.executable, f"{tmp_path.resolve()}/a.py")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("program,category\nc.py,correct\n", "table.csv:2: program: "),
        ("program,category\na.py,\n", "category: give correct or the name of its kind of fault"),
        ("program,categry\na.py,correct\n", "categry: unknown column; did you mean category?"),
        ("program,category,deadlock\na.py,correct,yes\n", "a correct program has none"),
        ("program,category,deadlock\na.py,race,perhaps\n", "deadlock: perhaps: give yes, no or nothing"),
        ("program,category,ranks\na.py,correct,none\n", "ranks: none: numbers are expected"),
        ("program,category,ranks\na.py,correct,0\n", "ranks: 0: give a number from 1 to"),
        ("program,category,arguments\na.py,correct,'x\n", "No closing quotation"),
        ("program,category\na.py,correct\na.py,race\n", "is at"),
        ("program,command,category\na.py,python,correct\n", "give either program or command"),
        ("program,category\na.py,correct,more\n", "more values than columns"),
        ("program,category\n", "no program in it"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, table: str, said: str) -> None:
    """What is wrong, in which row, and what would be right."""
    with pytest.raises(SuiteError) as caught:
        load(folder(tmp_path, table))
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One line each."""
    with pytest.raises(SuiteError) as caught:
        load(folder(tmp_path, "program,category\nc.py,correct\nd.py,correct\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_a_folder_has_one_table(tmp_path: Path) -> None:
    """None, two, or one that is none, are mistakes."""
    with pytest.raises(SuiteError, match="no table; one of"):
        load(tmp_path)
    folder(tmp_path, "program,category\na.py,correct\n")
    folder(tmp_path, "a: b: c", "table.yaml")
    with pytest.raises(SuiteError, match=r"both table\.csv and table\.yaml"):
        load(tmp_path)
    (tmp_path / "table.csv").unlink()
    with pytest.raises(SuiteError, match="not readable"):
        load(tmp_path)
    (tmp_path / "table.yaml").write_text("a: b")
    with pytest.raises(SuiteError, match="a list of programs is expected"):
        load(tmp_path)
    with pytest.raises(SuiteError, match="no such folder"):
        load(tmp_path / "nowhere")
