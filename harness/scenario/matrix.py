"""The matrix: points, their ids, their data, and which expectation holds for each. Pure."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LONGEST = 40  # of a value in a case id; longer ones are named by their number


def points(matrix: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, int]]:
    """Every point of the product, as key -> number of the value; the last key turns fastest."""
    for numbers in itertools.product(*(range(len(values)) for values in matrix.values())):
        yield dict(zip(matrix, numbers, strict=True))


def case_id(name: str, matrix: Mapping[str, Sequence[Any]], point: Mapping[str, int]) -> str:
    """`name[key=value,key=value]`; the plain name without a matrix."""
    if not point:
        return name
    return f"{name}[{','.join(f'{key}={_text(matrix[key], number)}' for key, number in point.items())}]"


def substitute(data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The document with each dotted key set to its value; sections on the way are made where they are missing."""
    found: dict[str, Any] = copy.deepcopy(dict(data))
    for dotted, value in values.items():
        *sections, last = dotted.split(".")
        here = found
        for section in sections:
            if not isinstance(here.get(section), dict):
                here[section] = {}
            here = here[section]
        here[last] = copy.deepcopy(value)
    return found


def matching(whens: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> list[int]:
    """The entries whose `when` fits a point and that name the most keys; more than one is ambiguous."""
    fitting = [n for n, when in enumerate(whens) if all(key in values and values[key] == when[key] for key in when)]
    most = max((len(whens[n]) for n in fitting), default=0)
    return [n for n in fitting if len(whens[n]) == most]


def _text(values: Sequence[Any], number: int) -> str:
    """A value as text; one that is long, has a comma or looks like another one is named by its number."""
    text, *before = map(_plain, (values[number], *values[:number]))
    if len(text) > LONGEST or "," in text or text.startswith("#") or text in before:
        return f"#{number + 1}"
    return text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
