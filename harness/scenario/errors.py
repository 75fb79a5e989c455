"""What can be wrong with a scenario.

ScenarioError          exit code 2
├── FileErrors         all the problems of the files at once, each with its place
├── NotInCheckout      a checkout that does not have the engine
├── UnknownEngine      an engine that is not installed
└── EngineError        a plug-in that does not keep to the protocol of engines
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.harness.errors import LockstepError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file: where it is, what is wrong, what to do."""

    file: str
    line: int  # from 1; 0: of no file, but of an option of the command line
    column: int  # from 1
    path: str  # dotted, from the top of the document
    what: str
    advice: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f" {self.path}:" if self.path else ""
        return f"{place}:{path} {self.what}" + (f"; {self.advice}" if self.advice else "")


class ScenarioError(LockstepError):
    """Something that a scenario's author must change. Nothing was launched."""

    exit_code = 2


class FileErrors(ScenarioError):  # noqa: N818
    """Every problem of the given files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class UnknownEngine(ScenarioError):  # noqa: N818
    """No installed engine has this name."""


class EngineError(ScenarioError):
    """A plug-in that does not keep to the protocol: which, what, and what to do."""


class NotInCheckout(ScenarioError):  # noqa: N818
    """A checkout of the engine's repository has nothing that could be run. Of one commit this says neither good nor bad."""
