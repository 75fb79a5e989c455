"""A config as keys by their present names, each with its value and place, and all that was wrong on the way there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lockstep.engines.minimal.upstream.tables import Table
from lockstep.harness.engine_api import Note, Origin, Path, Problem

Where = Callable[[Path], Origin]  # from a path as it is written to its place


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a known key. `said`: the key as it was written, which may be an old home."""

    value: Any
    origin: Origin
    said: str


@dataclass(slots=True)
class Entries:
    """All keys of a config that are known."""

    table: Table
    ignore_unknown: bool = False
    quoted: bool = True  # else of keys that nobody knows only the lines are told
    wins: bool = False  # what comes now, under whatever name, wins over what came before
    found: dict[str, Entry] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add_all(self, data: Mapping[Any, Any], where: Where) -> None:
        """Take in every key of a mapping."""
        for name, value in data.items():
            self._add((self.table.spelt(name),), (name,), value, where)

    def _add(self, home: tuple[str, ...], written: Path, value: Any, where: Where) -> None:
        """One key. `home`: where it belongs; `written`: where it stands."""
        key = ".".join(home)
        if key in self.table.moved:
            self._moved(key, written, value, where)
        elif key in self.table.removed:
            self._removed(key, written, value, where)
        elif self.table.is_section(key) and (below := _mapping(value)) is not None:
            self._below(home, written, below, where)
        elif key in self.table.keys or key in self.table.free:
            self._found(key, Entry(value, where(written), key))
        elif self.table.is_section(key) and value is None:
            self._found(key, Entry(None, where(written), key))
        elif self.table.is_section(key):
            self.problems.append(where(written).problem(*_no_section(value)))
        else:
            self._unknown(key, where(written))

    def _below(self, home: tuple[str, ...], written: Path, data: Mapping[Any, Any], where: Where) -> None:
        if not data:
            self._found(".".join(home), Entry({}, where(written), ".".join(home)))
        for name, value in data.items():
            self._add((*home, str(name).replace("-", "_")), (*written, name), value, where)

    def _moved(self, key: str, written: Path, value: Any, where: Where) -> None:
        home = self.table.moved[key]
        below = _mapping(value)
        if below is not None and self.table.is_section(home):
            self.notes.append(Note("taken", key, f"its home is {home} now"))
            self._below(tuple(home.split(".")), written, below, where)
        elif not self.wins and any(key == home or key.startswith(f"{home}.") for key in self.found):
            self.notes.append(Note("left out", key, f"its present home {home} is given too"))
        else:
            self.notes.append(Note("taken", key, f"its home is {home} now"))
            self.found[home] = Entry(value, where(written), key)

    def _removed(self, key: str, written: Path, value: Any, where: Where) -> None:
        self.notes.append(Note("left out", key, self.table.removed[key]))
        if isinstance(value, Mapping) and "at the top" in self.table.removed[key]:
            for name, inner in value.items():
                self._add((self.table.spelt(name),), (*written, name), inner, where)

    def _found(self, key: str, entry: Entry) -> None:
        """The present home wins over an old one, whichever comes first."""
        for home in [name for name in self.found if key == name or key.startswith(f"{name}.")]:
            before = self.found[home]
            if before.said != home:
                self.notes = [note for note in self.notes if (note.kind, note.key) != ("taken", before.said)]
                self.notes.append(Note("left out", before.said, f"its present home {home} is given too"))
                del self.found[home]
        self.found[key] = entry

    def _unknown(self, key: str, origin: Origin) -> None:
        nobody = f"no key of {self.table.product} ({self.table.version})"
        above = key.rpartition(".")[0]
        while above and above not in self.table.free:
            above = above.rpartition(".")[0]
        shown = key if self.quoted else f"line {origin.line}"
        if above:
            self.notes.append(Note("left out", shown, f"one of the many keys of {above}, which are not looked at"))
        elif self.ignore_unknown:
            self.notes.append(Note("left out", shown, nobody))
        else:
            close = self.table.meant(key)
            advice = f"did you mean {close}?" if close else "take it out"
            leave = (
                "--ignore-unknown" if origin.line == 0 else "--ignore-unknown, or ignore_unknown beside path in config_file,"
            )
            self.problems.append(origin.problem(nobody, f"{advice} ({leave} leaves such keys out)"))


def _mapping(value: Any) -> Mapping[Any, Any] | None:
    """A mapping, also one that is written as JSON in a string, as command lines have it."""
    if _is_json(value):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def _is_json(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("{")


def _no_section(value: Any) -> tuple[str, str]:
    """Why a value cannot be a section, and what to do."""
    if not _is_json(value):
        return f"is a section with keys of its own, got {value!r}", "give a mapping, or leave it out"
    advice = """write it as JSON in one word of the shell, as '{"key": "value"}'"""
    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        return f"is broken JSON: {error.msg} at character {error.pos + 1} of {value}", advice
    except (RecursionError, ValueError):
        return "is no JSON that is taken: it is nested too deeply, or a number has thousands of digits", advice
    return f"is a section with keys of its own, got {value}", advice
