"""What an engine offers to the harness, and how it is found: by entry point, never by import."""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from lockstep.harness.scenario.errors import ScenarioError, UnknownEngine

GROUP = "lockstep.engines"
# Sections of a scenario file that mean something to some engines only. One that says nothing takes them all.
SECTIONS = frozenset(
    {
        "parallel", "config", "kv_capacity", "guards", "workload", "faults", "skew", "environment", "on_error", "device",
        "cpu", "gpu", "launches",
    }
)  # fmt: skip
Path = tuple[str | int, ...]


class Engine(Protocol):
    """An engine that can be judged. The object behind an entry point of the group `lockstep.engines`.

    It may have more: `sections`, those of SECTIONS that it takes (default: all); `attached`, true for one whose processes do
    not import the recorder (default: false), which then also has `ranks(config)`, how many processes are launched;
    `one_host(spec)`, what of a complete spec only ranks on one host can do (default: nothing, empty); `tree(spec)`, in which
    folder the code is that the ranks run, whose commit reports name (default: not known, empty).
    """

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

    def at(self, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
        """The spec with which `command` runs the code in the folder `tree`, a checkout of the engine's repository, instead
        of what is installed. `tree` is absolute. Raises NotInCheckout when there is nothing to run in it: that commit is
        then neither good nor bad."""


def sections(engine: Engine) -> frozenset[str]:
    """The sections that an engine takes."""
    found: frozenset[str] = getattr(engine, "sections", SECTIONS)
    return found


def one_host(engine: Engine, spec: Mapping[str, Any]) -> str:
    """What of a case only ranks on one host can do, as the start of a sentence; empty: nothing."""
    asked = getattr(engine, "one_host", None)
    return str(asked(spec)) if callable(asked) else ""


def is_attached(engine: Engine) -> bool:
    """Whether the recorder attaches itself to the engine's processes."""
    return bool(getattr(engine, "attached", False))


def tree_of(engine: Engine, spec: Mapping[str, Any]) -> str:
    """The folder with the code that is judged; empty where an engine does not say."""
    found = getattr(engine, "tree", None)
    return str(found(spec)) if callable(found) else ""


def find_engine(name: str) -> Engine:
    """The installed engine of this name. Raises UnknownEngine."""
    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if name not in points:
        close = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UnknownEngine(f"engine {name!r} is not installed; there are {', '.join(sorted(points)) or 'none'}{hint}")
    engine: Engine = points[name].load()
    return engine


def at_checkout(engine: Engine, spec: Mapping[str, Any], tree: str) -> dict[str, Any]:
    """`engine.at`, for engines that may be older than it. Raises ScenarioError when this one has no checkouts."""
    if not callable(getattr(engine, "at", None)):
        raise ScenarioError(f"engine {engine.name!r} cannot be run from a checkout: its plug-in has no method `at`")
    found: dict[str, Any] = engine.at(spec, tree)
    return found
