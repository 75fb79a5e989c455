"""What `doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`: whether it is well, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    advice: str = ""
