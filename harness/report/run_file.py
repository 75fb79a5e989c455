"""run.json as it is read back: checked field by field, since a folder may come from elsewhere, or may have been changed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from lockstep.harness.report.line import Line

_SLUG = re.compile(r"[A-Za-z0-9._~-]+")
_SHARD = re.compile(r"(?:all but )?\d{1,4}/\d{1,4}(?:, \d{1,4}/\d{1,4})*")
LONGEST_NAME = 255  # of a file or a folder, on every file system; ours are half as long
LARGEST = (1 << 63) - 1  # a whole number of a table
MOST = 1_000_000  # repetitions, ranks of a case
_Name = Annotated[str, Field(max_length=LONGEST_NAME, pattern=r"^[^\x00]*$")]  # that becomes one of a file or folder
_Count = Annotated[int, Field(ge=0, le=MOST)]
_Seconds = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class _Waive:
    owner: str
    reason: str
    link: str
    expires: str
    kind: str
    meanwhile: dict[str, Any]


@dataclass(frozen=True)
class _Entry:
    """A planned case. What has a default was not written by an earlier version."""

    id: str
    slug: _Name
    scenario: str
    path: str
    repetition: Annotated[int, Field(ge=1, le=MOST)] = 1
    ranks: _Count = 0
    mechanism_class: str = ""
    guard: str = ""
    planted: bool = False
    waive: _Waive | None = None
    digest: str = ""
    cost_s: _Seconds = 0.0
    engine_commit: str | None = None
    nodes: list[_Count] = field(default_factory=list)
    origin: _Name | None = None  # the run that a merged one has it of


@dataclass(frozen=True)
class _Gpu:
    name: str


@dataclass(frozen=True)
class _Options:
    """What a run is continued by; the commands that make runs have more, or others."""

    scenarios: list[str] = field(default_factory=list)
    all: bool = False
    words: list[str] = field(default_factory=list)
    tag: list[str] = field(default_factory=list)
    case: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    device: str = ""
    launcher: str = ""
    shard: str | None = None
    nightly: bool = False
    repeat: _Count | None = None
    hosts: str | None = None
    interface: str | None = None


@dataclass(frozen=True)
class _Host:
    name: str
    libraries: dict[str, Any] | None = field(default_factory=dict)


@dataclass(frozen=True)
class _Environment:
    libraries: dict[str, Any] = field(default_factory=dict)
    mpi: dict[str, Any] = field(default_factory=dict)
    hosts: list[_Host] = field(default_factory=list)
    gpus: list[_Gpu] = field(default_factory=list)


@dataclass(frozen=True)
class _RunFile:
    run: _Name
    argv: list[str]
    started: str
    environment: _Environment
    plan: list[_Entry]
    options: _Options = field(default_factory=_Options)
    merged: list[_Name] = field(default_factory=list)
    launched: list[tuple[_Name, str]] = field(default_factory=list)


_FILE = TypeAdapter(_RunFile)
_LINE = TypeAdapter(Line)


def check(run: Mapping[str, Any]) -> None:
    """Raise ValueError with the place of the first thing in a run.json that is not as this version writes it."""
    try:
        checked = _FILE.validate_json(json.dumps(run), strict=True)
    except ValidationError as error:
        raise ValueError(_first(error)) from error
    _check_time("started", checked.started)
    if checked.options.shard is not None and _SHARD.fullmatch(checked.options.shard) is None:
        raise ValueError(f"options.shard: {checked.options.shard[:100]!r} is no shard, as 2/4")
    for entry in checked.plan:
        if _SLUG.fullmatch(entry.slug) is None or set(entry.slug) <= {"."}:
            raise ValueError(f"plan: {entry.slug[:100]!r} is not the name of a case's folder")


def checked_line(line: Line) -> Line:
    """A line that was read from a verdict file. Raises ValueError where a field of it has another type than reports take."""
    if line.recorded:
        _check_time("recorded", line.recorded)
    flat = line.flat()
    for name, value in flat.items():
        if (isinstance(value, int) and abs(value) > LARGEST) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name}: a number that no table holds")
    try:
        return _LINE.validate_json(json.dumps(flat), strict=True)
    except ValidationError as error:
        raise ValueError(_first(error)) from error


def _first(error: ValidationError) -> str:
    """What is wrong, with its place first."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"].lower())))


def _check_time(name: str, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text[:100]!r} is no time in ISO form") from error
