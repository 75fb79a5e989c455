"""What an engine offers to the harness, and how it is found: by entry point, never by import."""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from harness.scenario.errors import UnknownEngine

GROUP = "lockstep.engines"
Path = tuple[str | int, ...]


class Engine(Protocol):
    """An engine that can be judged. The object behind an entry point of the group `lockstep.engines`."""

    name: str
    Config: type[BaseModel]  # the `config` section
    Guards: type[BaseModel]  # the `guards` section

    def resolve(self, guards: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of the spec that follow from the `guards` section: each phase's guard, which phases exist."""

    def check(self, spec: Mapping[str, Any]) -> list[tuple[Path, str]]:
        """What is impossible in a complete spec: its path in the scenario, and a sentence with advice."""

    def lacks(self, spec: Mapping[str, Any]) -> str:
        """What has to be given before the case can run, in a sentence; empty: nothing. Without it the case is left out."""

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """The command line of one rank's process."""


def find_engine(name: str) -> Engine:
    """The installed engine of this name. Raises UnknownEngine."""
    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in points:
        close = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UnknownEngine(f"engine {name!r} is not installed; there are {', '.join(sorted(points)) or 'none'}{hint}")
    engine: Engine = points[name].load()
    return engine
