"""The load of a data-parallel rank: what it brings to a forward."""

from __future__ import annotations

from dataclasses import dataclass

EAGER = "eager"


@dataclass(frozen=True, slots=True)
class Load:
    """What one rank brings to a forward. `mode`: the kind of graph that its batch could use, or eager."""

    tokens: int
    mode: str
    idle: bool
