"""run.json as it is read back: checked field by field, since a folder may come from elsewhere, or may have been changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lockstep.harness.report.line import Line

_SLUG = re.compile(r"[A-Za-z0-9._~-]+")


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
    slug: str
    scenario: str
    path: str
    repetition: int = 1
    ranks: int = 0
    mechanism_class: str = ""
    guard: str = ""
    planted: bool = False
    waive: _Waive | None = None
    digest: str = ""
    cost_s: float = 0.0
    engine_commit: str | None = None
    nodes: list[int] = field(default_factory=list)


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
    repeat: int | None = None
    hosts: str | None = None
    interface: str | None = None


@dataclass(frozen=True)
class _Environment:
    libraries: dict[str, Any] = field(default_factory=dict)
    mpi: dict[str, Any] = field(default_factory=dict)
    hosts: list[dict[str, Any]] = field(default_factory=list)
    gpus: list[_Gpu] = field(default_factory=list)


@dataclass(frozen=True)
class _RunFile:
    run: str
    argv: list[str]
    started: str
    environment: _Environment
    plan: list[_Entry]
    options: _Options = field(default_factory=_Options)


_FILE = TypeAdapter(_RunFile)
_LINE = TypeAdapter(Line)


def check(run: Mapping[str, Any]) -> None:
    """Raise ValueError with the place of the first thing in a run.json that is not as this version writes it."""
    try:
        checked = _FILE.validate_json(json.dumps(run), strict=True)
        datetime.fromisoformat(checked.started)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from error
    for entry in checked.plan:
        if _SLUG.fullmatch(entry.slug) is None or set(entry.slug) <= {"."}:
            raise ValueError(f"plan: {entry.slug[:100]!r} is not the name of a case's folder")


def checked_line(line: Line) -> Line:
    """A line that was read from a verdict file. Raises ValueError where a field of it has another type than reports take."""
    if line.recorded:
        datetime.fromisoformat(line.recorded)
    return _LINE.validate_json(json.dumps(line.flat()), strict=True)
