"""What the adaptor has to know of an upstream engine: where its warm-up stands, what it calls its parts, our stand-ins.

One description an engine. Nothing else in this room names an engine's files, classes or methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockstep.engines.source.graft.bench import Bench


@dataclass(frozen=True, slots=True)
class Entry:
    """A layout: the file, the class, the method that runs the whole warm-up, and what it is called with."""

    file: str  # below the root of the tree
    cls: str
    method: str
    arguments: tuple[str, ...]  # names of `Stand.arguments`


@dataclass(frozen=True, slots=True)
class Stand:
    """Our side of the graft, for one rank."""

    names: Mapping[str, Any]  # what the code imports, by symbol
    libraries: Mapping[str, Any]  # whole libraries, by name
    attributes: Mapping[str, Any]  # of the engine object, methods of ours included
    arguments: Mapping[str, Any]  # for the entry
    bind: Callable[[Any], None]  # called with the engine object once it is made


@dataclass(frozen=True, slots=True)
class Request:
    """A method that makes a warm-up request or returns None: how the request is called in events.

    `label` gets the bench and the call's arguments by name. Equal on ranks that mean the same request. Raises KeyError for
    an argument that it needs and the method has not.
    """

    label: Callable[[Bench, Mapping[str, Any]], str]
    figures: tuple[str, ...]  # arguments whose values explain the choice, in any version


@dataclass(frozen=True, slots=True)
class Upstream:
    """One upstream engine."""

    name: str
    package: str  # imports of it are looked for among the stand-ins and in the tree
    entries: Sequence[Entry]  # the newest layout first
    phases: Mapping[str, Callable[[Bench], str]]  # method -> the phase that it is
    requests: Mapping[str, Request]
    stand: Callable[[Bench], Stand]
