"""What `doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass

NOT_INSTALLED = "not installed"  # so begins what is found of what is not here


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`: whether it is well, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    advice: str = ""

    @property
    def absent(self) -> bool:
        """Whether it is not here, and all is well without it."""
        return self.ok and self.found.startswith(NOT_INSTALLED)
