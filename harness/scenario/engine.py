"""How an engine is found: by entry point, never by import; and which keys of a scenario file are its own."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib.metadata
import sys
from typing import Any

from lockstep.harness.scenario.engine_base import EngineBase
from lockstep.harness.scenario.engine_check import checked, origin
from lockstep.harness.scenario.errors import EngineError, UnknownEngine

GROUP = "lockstep.engines"
_FOUND: dict[str, EngineBase[Any]] = {}  # each file of a hundred asks; what was wrong is looked for again
NOT_OF_PROGRAMS = frozenset(
    {"launches", "environment", "device"}
)  # keys of the frame that say nothing to an attached engine


def find_engine(name: str) -> EngineBase[Any]:
    """The installed engine of this name. Raises UnknownEngine; EngineError for a plug-in that is not as it should be."""
    if name in _FOUND:
        return _FOUND[name]
    points = _installed()
    if name not in points:
        close = difflib.get_close_matches(name, points, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UnknownEngine(f"engine {name!r} is not installed; there are {', '.join(sorted(points)) or 'none'}{hint}")
    point = points[name]
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module does when it is imported
        where = f" ({origin(error)})" if origin(error) else ""
        what = error.msg if isinstance(error, SyntaxError) else error
        text = f"cannot be imported: {type(error).__name__}: {what}{where}; mend it, or uninstall what brings it"
        raise EngineError(f"engine {name!r} ({point.value}) {text}") from error
    _FOUND[name] = checked(found, name, point.value)
    return _FOUND[name]


def refused(engine: EngineBase[Any]) -> frozenset[str]:
    """The keys of the frame that an engine's scenarios cannot have."""
    return NOT_OF_PROGRAMS if engine.attached else frozenset()


def sections_of_others(engine: EngineBase[Any]) -> set[str]:
    """The sections that other installed engines have and this one has not. Of a plug-in that is broken nothing is known."""
    found: set[str] = set()
    for name in _installed():
        with contextlib.suppress(EngineError):
            found |= set(find_engine(name).sections.model_fields)
    return found - set(engine.sections.model_fields)


def _installed() -> dict[str, importlib.metadata.EntryPoint]:
    return _listed(tuple(sys.path))


@functools.lru_cache(maxsize=1)
def _listed(path: tuple[str, ...]) -> dict[str, importlib.metadata.EntryPoint]:
    """Those that are found on this path: a hundred files ask, and each answer reads what all packages say of themselves."""
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
