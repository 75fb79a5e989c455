"""From keys with values to the sections of a scenario: each is taken with its type, put where it belongs, or told of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lockstep.engines.minimal.upstream.entries import Entries, Entry
from lockstep.harness.engine_api import Imported, Missing, Note, Origin, Path, Problem

T = TypeVar("T")
HUMAN = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)([kKmMgG])")
UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(slots=True)
class Translation:
    """One config on its way to a scenario."""

    entries: Entries
    sections: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    looked: set[str] = field(default_factory=set)

    def entry(self, key: str) -> Entry | None:
        """What the config says of a key; None: nothing, or null."""
        self.looked.add(key)
        found = self.entries.found.get(key)
        return found if found is not None and found.value is not None else None

    def has(self, key: str) -> bool:
        """Whether the key stands there, also with null."""
        return key in self.entries.found

    def count(self, key: str, least: int = 1) -> int | None:
        """A whole number, also as `8k`."""
        return self._of(key, lambda value: _whole(value, least), f"a whole number from {least} on")

    def flag(self, key: str) -> bool | None:
        """Yes or no."""
        return self._of(key, lambda value: value if isinstance(value, bool) else None, "true or false")

    def word(self, key: str) -> str | None:
        """A text."""
        return self._of(key, lambda value: value if isinstance(value, str) else None, "a text")

    def share(self, key: str) -> float | None:
        """A number from 0 to 1."""

        def fits(value: Any) -> float | None:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return float(value) if number and 0 <= value <= 1 else None

        return self._of(key, fits, "a number from 0 to 1")

    def counts(self, key: str) -> list[int] | None:
        """Whole numbers from 1 on; one alone is a list too, as on a command line."""

        def fits(value: Any) -> list[int] | None:
            found = [_whole(one, 1) for one in (value if isinstance(value, list) else [value])]
            return [one for one in found if one is not None] if found and None not in found else None

        return self._of(key, fits, "a list of whole numbers from 1 on")

    def put(self, path: Path, value: Any, key: str = "") -> None:
        """Say something in the scenario. `key`: which of the config's it comes from; empty: none."""
        here = self.sections
        for part in path[:-1]:
            here = here.setdefault(str(part), {})
        here[str(path[-1])] = value
        found = self.entries.found.get(key)
        if found is not None:
            for length in range(1, len(path) + 1):
                self.origins[path[:length]] = (
                    found.origin if length == len(path) else self.origins.get(path[:length], found.origin)
                )

    def told(self, key: str, text: str) -> None:
        """A key was taken for something that it does not say by itself."""
        self.notes.append(Note("taken", _said(self.entries, key), text))

    def leave(self, key: str, text: str) -> None:
        """A key was left out."""
        self.notes.append(Note("left out", _said(self.entries, key), text))

    def wrong(self, key: str, what: str, advice: str) -> None:
        """A key that cannot be taken as it is."""
        self.problems.append(self.entries.found[key].origin.problem(what, advice))

    def ask(self, path: Path, what: str, example: Any) -> None:
        """What only the user knows."""
        self.missing.append(Missing(path, what, example))

    def leave_rest(self) -> None:
        """Tell of every key that is known and not modelled."""
        table = self.entries.table
        told: set[str] = set()
        for key in [key for key in self.entries.found if key in table.modelled - self.looked]:
            self.leave(key, "is of something that the rest of this config turns off, or says otherwise")
        for key in self.entries.found:
            section, _, _ = key.partition(".")
            why = table.left_out.get(key)
            if why is None:
                continue
            whole = not any(name.startswith(f"{section}.") for name in table.modelled)
            shown = section if whole else key
            if shown not in told:
                told.add(shown)
                self.notes.append(Note("left out", shown if whole else _said(self.entries, key), why))

    def imported(self) -> Imported:
        """All of it."""
        return Imported(
            product=self.entries.table.product,
            sections=self.sections,
            origins=self.origins,
            notes=tuple(dict.fromkeys([*self.entries.notes, *self.notes])),
            missing=tuple(self.missing),
            problems=(*self.entries.problems, *self.problems),
            whole=frozenset({"kv_capacity"}),
        )

    def _of(self, key: str, fits: Callable[[Any], T | None], wanted: str) -> T | None:
        found = self.entry(key)
        if found is None:
            return None
        value = fits(found.value)
        if value is None:
            self.problems.append(found.origin.problem(f"must be {wanted}, got {found.value!r}"))
        return value


def _said(entries: Entries, key: str) -> str:
    """A key as it was written."""
    found = entries.found.get(key)
    return found.said if found is not None else key


def _whole(value: Any, least: int) -> int | None:
    if isinstance(value, str) and (match := HUMAN.fullmatch(value)):
        value = int(float(match[1]) * UNITS[match[2]])
    right = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return value if right else None
