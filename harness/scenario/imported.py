"""What is asked of an engine about a config of the product that it stands for, and what it answers: sections of a scenario.

Plain data. Which keys there are is the engine's; the harness knows places and sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.harness.scenario.document import Keys
from lockstep.harness.scenario.errors import Problem


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """A config as it is: a file, or the words of a command line. `product`: whose it is; empty: told by its keys.

    `scale`: by what lengths in tokens are divided; None: so that a CPU can compute them.
    """

    file: Path | None = None
    words: tuple[str, ...] = ()
    product: str = ""
    ignore_unknown: bool = False
    scale: int | None = None
    typed: bool = True  # by the user, not named by a file: it may be a pipe, and need be no config
    quoted: bool = True  # whether what it holds may be told where it is no key that is known


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the config a value comes from. `line` 0: of the command line."""

    file: str
    line: int
    column: int
    key: str

    def problem(self, what: str, advice: str = "") -> Problem:
        """A problem there."""
        return Problem(self.file, self.line, self.column, self.key, what, advice)


@dataclass(frozen=True, slots=True)
class Note:
    """One line of what was made of the config: a key that was left out, and why, or one that was taken for another."""

    kind: str  # left out, or taken
    key: str
    text: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.kind}: {self.key}: {self.text}"


@dataclass(frozen=True, slots=True)
class Missing:
    """What the config does not say and only the user knows: a key of the scenario, and a value that might stand there."""

    path: Keys
    what: str
    example: Any


@dataclass(frozen=True, slots=True)
class Imported:
    """What an engine makes of a config. `whole`: sections of which a scenario's own replaces all, not key by key."""

    product: str
    sections: dict[str, Any]
    origins: dict[Keys, Origin] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    missing: tuple[Missing, ...] = ()
    problems: tuple[Problem, ...] = ()
    whole: frozenset[str] = frozenset()
