"""Pydantic's complaints in this product's words: where in the file, what is wrong, what to do."""

from __future__ import annotations

import copy
import difflib
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lockstep.harness.scenario.document import Document, Keys
from lockstep.harness.scenario.errors import Problem
from lockstep.harness.scenario.frame import NAME

Model = TypeVar("Model", bound=BaseModel)
Place = Callable[[Keys], Keys]  # from a path in the substituted data to the path in the file


def validate(
    model: type[Model],
    data: Any,
    document: Document,
    base: Keys = (),
    place: Place = lambda path: path,
) -> tuple[Model | None, list[Problem]]:
    """The validated section, or all that is wrong with it. `base` is the section's path in the file."""
    try:
        return model.model_validate(data, context={"file": document.file}), []
    except ValidationError as error:
        complaints = error.errors(include_url=False)
        details = [(detail, _inside(detail["loc"], data, detail["type"] == "missing")) for detail in complaints]
        paths = {path for _, path in details}
        found = [
            _problem(model, detail, path, document, base, place)
            for detail, path in details
            if len(detail["loc"]) == len(path) or not _above(path, paths)
        ]
        refused = {named for detail, path in details if (named := _named(detail, path))}
        if refused:  # a validator of a whole section stops at the first key that it does not like; look at the others too
            found += validate(model, _without(data, refused), document, base, place)[1]
        return None, _unique(found)


def _above(path: Keys, paths: Collection[Keys]) -> bool:
    """Whether a complaint says more precisely what is wrong: the other members of a union only say `not of my type`."""
    return any(len(path) < len(other) and other[: len(path)] == path for other in paths)


def _problem(
    model: type[BaseModel], detail: Mapping[str, Any], path: Keys, document: Document, base: Keys, place: Place
) -> Problem:
    kind, message = detail["type"], detail["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
    if kind == "extra_forbidden":
        what, advice = unknown_key(path[-1], _fields(model, path[:-1]))
        placed = place((*base, *path))
        if placed[0] == "matrix" and len(placed) == 3:  # the matrix key itself, not each of its values
            placed = placed[:2]
        return document.problem(placed, what, advice)
    if kind == "missing":
        return document.problem(place((*base, *path)), "is missing", "add it")
    if named := _named(detail, path):
        what, _, advice = message.partition(": ")[2].partition("; ")
        return document.problem(place((*base, *named)), what, advice)
    what, _, advice = message.partition("; ")
    if kind == "string_pattern_mismatch" and detail["ctx"]["pattern"] == NAME:
        what, advice = "a name has lower case letters, digits, . _ and -, and begins with a letter or digit", ""
    if kind.endswith(("_type", "_parsing")):
        advice = advice or _as_number(detail["input"])
    if kind == "list_type" and isinstance(detail["input"], (str, int, float)):
        advice = f"as a list: [{', '.join(str(detail['input']).split())}]"
    if kind in ("too_short", "too_long"):
        limit = detail["ctx"]["min_length" if kind == "too_short" else "max_length"]
        what, advice = f"has {detail['ctx']['actual_length']} entries", f"give {limit} {KINDS_OF_LIMIT[kind]}"
    if kind == "string_type" and isinstance(detail["input"], (bool, int, float, date)):
        advice = "write it in quotes"
    got = f", got {_short(detail['input'])}" if isinstance(detail["input"], (str, int, float, bool, type(None))) else ""
    if kind == "literal_error" and not advice:
        close = difflib.get_close_matches(str(detail["input"]), re.findall(r"'([^']*)'", detail["ctx"]["expected"]), n=1)
        advice = f"did you mean {close[0]}?" if close else ""
    return document.problem(place((*base, *path)), what[0].lower() + what[1:] + got, advice, at_value=True)


KINDS_OF_LIMIT = {"too_short": "or more", "too_long": "at most"}
MOST_SHOWN = 200  # letters of a value
MOST_LISTED = 16  # of keys; more are no advice


def unknown_key(key: object, allowed: Collection[str]) -> tuple[str, str]:
    """What is wrong with a key that nobody knows, and what may stand there."""
    begun = [name for name in sorted(allowed) if len(str(key)) > 3 and name.startswith(f"{key}_")]
    close = begun if len(begun) == 1 else difflib.get_close_matches(str(key), allowed, n=1)
    if close:
        return "unknown key", f"did you mean {close[0]}?"
    if len(allowed) > MOST_LISTED:
        return "unknown key", f"{len(allowed)} are allowed; docs/scenarios.md has them, and so has `lockstep schema`"
    return "unknown key", f"allowed are: {', '.join(sorted(allowed))}" if allowed else "none is allowed here"


def _short(value: object) -> str:
    """A value as Python writes it, with as much of it as tells which one it is."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _as_number(value: Any) -> str:
    """What to write for a text that means a number; empty where it means none."""
    if not isinstance(value, str):
        return ""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%|[KMGT]i?B)?\s*", value)
    if match is None:
        return ""
    number, unit = match.groups()
    if unit == "%":
        return f"as a fraction: {float(number) / 100:g}"
    if unit:
        base = 1024 if "i" in unit else 1000
        return f"in bytes: {int(float(number) * base ** ('KMGT'.index(unit[0]) + 1))}"
    return f"without quotes: {number}"


def _without(data: Any, refused: Collection[Keys]) -> Any:
    """The data without the values at some paths."""
    rest = copy.deepcopy(data)
    for path in refused:
        here = rest
        for key in path[:-1]:
            here = here[key]
        del here[path[-1]]
    return rest


def _named(detail: Mapping[str, Any], path: Keys) -> Keys:
    """The path of the key that a validator's message begins with: `key: what is wrong`. Empty when it names none."""
    key = detail["msg"].removeprefix("Value error, ").partition(":")[0]
    return (*path, key) if detail["type"] == "value_error" and key in _keys(detail["input"]) else ()


def _inside(loc: Keys, data: Any, missing: bool) -> Keys:
    """The part of pydantic's location that is a path in the data, and the key that is missing there; it also names union
    members and the like."""
    path: list[str | int] = []
    here: Any = data
    for number, key in enumerate(loc):
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and isinstance(key, int) and key < len(here):
            here = here[key]
        elif missing and number == len(loc) - 1:
            path.append(key)
            break
        else:
            continue
        path.append(key)
    return tuple(path)


def _fields(model: type[BaseModel], path: Keys) -> list[str]:
    """The keys that are allowed at a path of a model."""
    models = [model]
    for key in path:
        if isinstance(key, int):
            continue
        models = [m for parent in models if key in parent.model_fields for m in _models(parent.model_fields[key].annotation)]
    return [name for found in models for name in found.model_fields]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, list, dict):
        for inner in get_args(annotation):
            yield from _models(inner)


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, dict) else ()


def _unique(problems: list[Problem]) -> list[Problem]:
    """One problem a place: a union complains once for each of its members."""
    found: dict[tuple[int, int, str], Problem] = {}
    for problem in problems:
        found.setdefault((problem.line, problem.column, problem.path), problem)
    return list(found.values())
