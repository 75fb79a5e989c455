"""The matrix: points, their ids, their data, and which expectation holds for each. Pure."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Names = Mapping[str, Sequence[str]]  # matrix key -> the names of its values
FAULTS = "faults"  # the key of `FaultSections`
NO_FAULT = "no-fault"  # a list without any
LONGEST = 40  # of a value in a case id; longer ones are named by their number
MOST_CASES = 10_000  # of a file; ten times as many as a night can run
MOST_VALUES = 10_000_000  # of all its cases together: a document is built anew for each


def points(matrix: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, int]]:
    """Every point of the product, as key -> number of the value; the last key turns fastest."""
    for numbers in itertools.product(*(range(len(values)) for values in matrix.values())):
        yield dict(zip(matrix, numbers, strict=True))


def too_many(matrix: Mapping[str, Sequence[Any]], values: int) -> str:
    """What is wrong with a matrix whose points are more than anybody can run, or can be built from a document of so many
    values; empty: nothing."""
    cases = math.prod(map(len, matrix.values()))
    if cases > MOST_CASES:
        return f"comes to {cases:,} cases; at most {MOST_CASES:,} are taken"
    return f"comes to {cases:,} cases of {values:,} values each, which is too much" if cases * values > MOST_VALUES else ""


def case_id(name: str, matrix: Mapping[str, Sequence[Any]], point: Mapping[str, int], names: Names | None = None) -> str:
    """`name[key=value,key=value]`; the plain name without a matrix. `names`: of the keys whose values have some."""
    if not point:
        return name
    words = (
        names[key][number] if names and key in names else _text(key, matrix[key], number) for key, number in point.items()
    )
    return f"{name}[{','.join(f'{key}={word}' for key, word in zip(point, words, strict=True))}]"


def unnamed(data: Mapping[Any, Any]) -> tuple[dict[Any, Any], Names]:
    """A document with a list in the place of each mapping of names to values, and those names; `when` may use them too."""
    matrix = data.get("matrix")
    found = {
        key: [str(name) for name in values]
        for key, values in (matrix.items() if isinstance(matrix, dict) else ())
        if isinstance(key, str) and isinstance(values, dict)
    }
    if not found or not isinstance(matrix, dict):
        return dict(data), {}
    listed = {key: list(values.values()) if key in found else values for key, values in matrix.items()}
    whole = {**data, "matrix": listed}
    if isinstance(data.get("expect"), list):
        whole["expect"] = [_without_names(entry, listed, found) for entry in data["expect"]]
    return whole, found


def _without_names(entry: Any, listed: Mapping[str, Any], names: Names) -> Any:
    """An expectation whose `when` has values only."""
    when = entry.get("when") if isinstance(entry, dict) else None
    if not isinstance(when, dict):
        return entry
    values = {
        key: listed[key][names[key].index(value)] if isinstance(value, str) and value in names.get(key, ()) else value
        for key, value in when.items()
    }
    return {**entry, "when": values}


def substitute(data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The document with each dotted key set to its value; sections on the way are made where they are missing."""
    found: dict[str, Any] = _copied(dict(data))
    for dotted, value in values.items():
        *sections, last = dotted.split(".")
        here = found
        for section in sections:
            if not isinstance(here.get(section), dict):
                here[section] = {}
            here = here[section]
        here[last] = _copied(value)
    return found


def _copied(value: Any) -> Any:
    """A copy of plain data. That of the standard library takes a tenth of the time of `lockstep list`."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def matching(whens: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> list[int]:
    """The entries whose `when` fits a point and that name the most keys; more than one is ambiguous."""
    fitting = [n for n, when in enumerate(whens) if all(key in values and values[key] == when[key] for key in when)]
    most = max((len(whens[n]) for n in fitting), default=0)
    return [n for n in fitting if len(whens[n]) == most]


def _text(key: str, values: Sequence[Any], number: int) -> str:
    """A value as text; faults by what they are. One that is long, has a comma, cannot be printed or looks like another one
    by its number."""
    if key == FAULTS and (name := _faults(values, number)):
        return name
    text, *before = map(_plain, (values[number], *values[:number]))
    if len(text) > LONGEST or not text.isprintable() or "," in text or text.startswith("#") or text in before:
        return f"#{number + 1}"
    return text


def _faults(values: Sequence[Any], number: int) -> str:
    """`delay-2-autotuner`, with shape and seconds where others are called the same; empty where there is no such name."""
    for full in (False, True):
        name, *others = (_fault_list(one, full) for one in (values[number], *values[:number], *values[number + 1 :]))
        if name and name not in others:
            return name
    return ""


def _fault_list(faults: Any, full: bool) -> str:
    if not isinstance(faults, list) or not all(isinstance(one, dict) for one in faults):
        return ""
    if not faults:
        return NO_FAULT
    keys = ("kind", "rank", "phase", *(("shape", "seconds", "launch") if full else ()))
    words = ["-".join(str(one[key]) for key in keys if one.get(key) is not None) for one in faults]
    whole = "+".join(words)
    if len(whole) > LONGEST and len(words) > 1:
        whole = f"{words[0]}-and-{len(words) - 1}-more"
    plain = all(sign.isalnum() or sign in "-+._=" for sign in whole)
    return whole if plain and len(whole) <= LONGEST else ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
