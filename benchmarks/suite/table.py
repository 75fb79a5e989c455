"""The table that lies beside the programs of a suite: which there are, how each is run, and what is the truth of it."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from lockstep.harness.errors import LockstepError

NAMES = ("table.csv", "table.yaml", "table.yml")
CORRECT = "correct"
COLUMNS = {
    "program": "path in this folder: an executable, a C source (.c), or Python (.py)",
    "command": "in the place of program: a command line; {folder} is this folder, {python} the Python that runs this",
    "ranks": "how many processes (2)",
    "arguments": "of the program, as in a shell",
    "category": f"`{CORRECT}`, or the name of its kind of fault",
    "deadlock": "yes, no, or empty where that is not known",
    "blame": "ranks whose fault it is, where that is known",
    "lines": "lines of the source that are wrong, where they are known",
}
MOST_RANKS = 1024


class SuiteError(LockstepError):
    """A folder, a table or an option that the user must change."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program of a suite, and the truth of it."""

    name: str
    path: Path | None  # None: `command` says it all
    command: tuple[str, ...]
    ranks: int
    arguments: tuple[str, ...]
    category: str
    deadlock: bool | None
    blame: frozenset[int]
    lines: frozenset[int]

    @property
    def correct(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.category == CORRECT


def load(folder: Path) -> list[Program]:
    """The programs of a folder. Raises SuiteError with every mistake of its table, each with its place."""
    if not folder.is_dir():
        raise SuiteError(f"{folder}: no such folder")
    tables = [folder / name for name in NAMES if (folder / name).is_file()]
    if len(tables) != 1:
        found = f"both {tables[0].name} and {tables[1].name}" if tables else "no table"
        raise SuiteError(f"{folder}: {found}; one of {', '.join(NAMES)} says what its programs are")
    (table,) = tables
    try:
        rows = list(_csv(table) if table.suffix == ".csv" else _yaml(table))
    except (UnicodeDecodeError, csv.Error, yaml.YAMLError) as error:
        raise SuiteError(f"{table}: not readable: {' '.join(str(error).split())}") from error
    problems: list[str] = []
    programs: list[Program] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        row_problems, program = _program(folder, row)
        if program is not None and program.name in seen:
            row_problems.append(f"{program.name} with these arguments and ranks is at {seen[program.name]} already")
        elif program is not None:
            seen[program.name] = place
            programs.append(program)
        problems += [f"{place}: {problem}" for problem in row_problems]
    if problems:
        raise SuiteError("\n".join(problems))
    if not programs:
        raise SuiteError(f"{table}: no program in it")
    return programs


def _csv(table: Path) -> Iterable[tuple[str, Mapping[str, str]]]:
    reader = csv.DictReader(io.StringIO(table.read_text(), newline=""), restkey="")
    for row in reader:
        yield f"{table}:{reader.line_num}", {str(key): value or "" for key, value in row.items()}


def _yaml(table: Path) -> Iterable[tuple[str, Mapping[str, str]]]:
    raw = yaml.load(table.read_text(), yaml.BaseLoader)  # it makes nothing but strings, lists and mappings
    if not isinstance(raw, list):
        raise SuiteError(f"{table}: a list of programs is expected, each with {', '.join(COLUMNS)}")
    for number, row in enumerate(raw, 1):
        if not isinstance(row, dict):
            raise SuiteError(f"{table}: program {number}: {row!r}: keys and values are expected")
        values = {str(key): " ".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()}
        yield f"{table}: program {number}", values


def _program(folder: Path, row: Mapping[str, str]) -> tuple[list[str], Program | None]:
    """What a row says, or what is wrong with it."""
    problems: list[str] = []
    for column in row:
        if column not in COLUMNS:
            near = get_close_matches(column, COLUMNS, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(COLUMNS)}"
            problems.append(f"{column or 'more values than columns'}: unknown column{hint}")
    value = {column: str(row.get(column) or "").strip() for column in COLUMNS}
    path = folder / value["program"] if value["program"] else None
    command, arguments = _words(value, "command", problems), _words(value, "arguments", problems)
    if (path is None) == (not command):
        problems.append("give either program or command")
    elif path is not None and not path.is_file():
        problems.append(f"program: {path}: no such file")
    elif command and arguments:
        problems.append("arguments: they are part of command")
    if not value["category"]:
        problems.append(f"category: give {CORRECT} or the name of its kind of fault")
    deadlock = {"yes": True, "true": True, "no": False, "false": False, "": None}.get(value["deadlock"].lower(), "")
    if deadlock == "":
        problems.append(f"deadlock: {value['deadlock']}: give yes, no or nothing")
    if deadlock is True and value["category"] == CORRECT:
        problems.append("deadlock: a correct program has none")
    ranks = _numbers(value["ranks"] or "2", "ranks", problems)
    if len(ranks) != 1 or not 1 <= min(ranks) <= MOST_RANKS:
        problems.append(f"ranks: {value['ranks']}: give a number from 1 to {MOST_RANKS}")
    blame, lines = (_numbers(value[column], column, problems) for column in ("blame", "lines"))
    if problems or deadlock == "":
        return problems, None
    words = tuple(word.replace("{folder}", str(folder.resolve())).replace("{python}", sys.executable) for word in command)
    (count,) = ranks
    name = " ".join([value["program"] or value["command"], *arguments]) + f" -n {count}"
    return [], Program(
        name, path, words, count, arguments, value["category"], _truth(deadlock), frozenset(blame), frozenset(lines)
    )


def _truth(deadlock: bool | str | None) -> bool | None:
    return deadlock if isinstance(deadlock, bool) else None


def _words(value: Mapping[str, str], column: str, problems: list[str]) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(value[column]))
    except ValueError as error:
        problems.append(f"{column}: {value[column]}: {error}")
        return ()


def _numbers(text: str, column: str, problems: list[str]) -> list[int]:
    try:
        return [int(word) for word in text.replace(",", " ").split()]
    except ValueError:
        problems.append(f"{column}: {text}: numbers are expected")
        return [1]
