"""Whether a plug-in keeps to the protocol of `engine_base`: said when it is found and asked, with what to do about it."""

from __future__ import annotations

import difflib
import inspect
import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from lockstep.harness.scenario.case import MOST_RANKS
from lockstep.harness.scenario.engine_base import EngineBase, Resources
from lockstep.harness.scenario.errors import EngineError, ScenarioError
from lockstep.harness.scenario.faults import FaultSections
from lockstep.harness.scenario.frame import Frame

T = TypeVar("T")
NEEDED = {
    "ranks": "def ranks(self, sections) -> int: how many ranks a scenario's sections mean",
    "command": "def command(self, spec) -> list[str]: the command line of one rank's process",
}
OFFERED = tuple(name for name in vars(EngineBase) if not name.startswith("_"))
METHODS = tuple(name for name in OFFERED if callable(getattr(EngineBase, name)) and name != "sections")


def checked(found: object, name: str, place: str) -> EngineBase[Any]:
    """The engine. `place`: the object that the entry point names. Raises EngineError with all that is wrong with it."""
    who = f"engine {name!r} ({place})"
    if isinstance(found, type) and issubclass(found, EngineBase):
        raise EngineError(f"{who} is a class; let the entry point name an instance of it: ENGINE = {found.__name__}()")
    if not isinstance(found, EngineBase):
        kind = type(found).__name__
        raise EngineError(f"{who} is a {kind}; make it an instance of a class below lockstep.harness.engine_api.EngineBase")
    problems = list(_attributes(found, name)) + list(_methods(found)) + list(_strays(type(found)))
    if problems:
        raise EngineError("\n".join(f"{who}: {problem}" for problem in problems))
    return found


def _attributes(engine: EngineBase[Any], name: str) -> Iterator[str]:
    if engine.name != name:
        yield f"`name` is {engine.name!r}; set it to {name!r}, the name of its entry point"
    if not isinstance(engine.attached, bool):
        yield f"`attached` is {engine.attached!r}; set it to True or False"
    phases = engine.phases
    if not isinstance(phases, (tuple, list)) or not all(isinstance(phase, str) and phase for phase in phases):
        yield f"`phases` is {phases!r}; set it to a tuple of names"
    if not isinstance(engine.sections, type) or not issubclass(engine.sections, BaseModel):
        yield f"`sections` is {engine.sections!r}; set it to a class below lockstep.harness.engine_api.Section"
        return
    for key in sorted(set(engine.sections.model_fields) & set(Frame.model_fields)):
        yield f"`sections` has the key {key}, which every scenario has; give yours another name"
    if issubclass(engine.sections, FaultSections) and not phases:
        yield "`sections` has faults and `phases` is empty; name there the phases of your ranks in which they can happen"


def _methods(engine: EngineBase[Any]) -> Iterator[str]:
    for name in METHODS:
        own, base = getattr(engine, name), inspect.signature(getattr(EngineBase, name))
        if name in NEEDED and getattr(type(engine), name) is getattr(EngineBase, name):
            yield f"`{name}` is missing; add it: {NEEDED[name]}"
        elif not callable(own):
            yield f"`{name}` is {own!r}; make it a method: {_definition(name, base)}"
        elif not _takes(own, len(base.parameters) - 1):
            takes = inspect.signature(own)
            yield f"`{name}` is called with {_listed(base)}, and takes {takes}; write: {_definition(name, base)}"


def _takes(method: Callable[..., Any], count: int) -> bool:
    """Whether a bound method can be called with so many arguments. One without a signature is believed to."""
    try:
        inspect.signature(method).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _listed(base: inspect.Signature) -> str:
    return f"({', '.join(name for name in base.parameters if name != 'self')})"


def _definition(name: str, base: inspect.Signature) -> str:
    return f"def {name}{base}".replace("'", "")


def _strays(kind: type) -> Iterator[str]:
    """Names that are nearly one of the protocol's: what is misspelt would never be asked."""
    for name in dir(kind):
        close = difflib.get_close_matches(name, OFFERED, n=1, cutoff=0.85)
        if name.startswith("_") or name in OFFERED or not close:
            continue
        if getattr(kind, close[0]) is getattr(EngineBase, close[0]):
            yield f"`{name}` means nothing; did you mean {close[0]}?"


def ask(engine: EngineBase[Any], method: str, question: Callable[[], T]) -> T:
    """What a plug-in answers. Raises EngineError where it raises something else than a mistake in the scenario."""
    try:
        return question()
    except ScenarioError:
        raise
    except Exception as error:  # a stranger's code
        where = f" ({origin(error)})" if origin(error) else ""
        text = f"`{method}` raised {type(error).__name__}: {error}{where}; mend the plug-in"
        raise EngineError(f"engine {engine.name!r}: {text}") from error


def require(engine: EngineBase[Any], method: str, value: object, wanted: str, right: bool) -> None:
    """Raise EngineError for an answer of the wrong kind."""
    if not right:
        text = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        raise EngineError(f"engine {engine.name!r}: `{method}` gave {text}; let it give {wanted}")


def ranks_of(engine: EngineBase[Any], sections: BaseModel) -> int:
    """How many ranks a case has. Raises EngineError."""
    ranks = ask(engine, "ranks", lambda: engine.ranks(sections))
    require(engine, "ranks", ranks, "a whole number from 1 on", isinstance(ranks, int) and ranks >= 1)
    if ranks > MOST_RANKS:
        raise ScenarioError(f"{ranks} ranks; at most {MOST_RANKS} are launched")
    return ranks


def spec_of(engine: EngineBase[Any], sections: BaseModel, ranks: int) -> dict[str, Any]:
    """The engine's part of the spec. Raises EngineError for what ranks would not get as it is."""
    spec = ask(engine, "spec", lambda: engine.spec(sections, ranks))
    try:
        plain = isinstance(spec, dict) and json.loads(json.dumps(spec)) == spec
    except (TypeError, ValueError):
        plain = False
    require(engine, "spec", spec, "plain JSON: dicts with text as keys, lists, text, numbers, booleans, None", plain)
    return spec


def resources_of(engine: EngineBase[Any], spec: dict[str, Any]) -> Resources:
    """What a case needs of hosts. Raises EngineError."""
    found = ask(engine, "resources", lambda: engine.resources(spec))
    require(engine, "resources", found, "Resources(...)", isinstance(found, Resources))
    return found


def check_command(engine: EngineBase[Any], spec: dict[str, Any]) -> None:
    """Raise EngineError for a command line that is none, before anything is launched."""
    argv = ask(engine, "command", lambda: engine.command(spec))
    right = isinstance(argv, list) and bool(argv) and all(isinstance(word, str) for word in argv)
    require(engine, "command", argv, "a list of words, the program first", right)


def origin(error: BaseException) -> str:
    """Where an exception was raised: file and line; empty where nobody knows."""
    if isinstance(error, SyntaxError) and error.filename:  # what was being read, not who read it
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
