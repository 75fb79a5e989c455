"""What a bisection launches, as those see it who launch: a folder with a commit, an environment with a release, an image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lockstep.harness.bisect.build import Built
from lockstep.harness.scenario.case import Case


@dataclass(frozen=True, slots=True)
class Checkout:
    """One of them; no two have one number."""

    number: int
    path: Path


class Checkouts(Protocol):
    """All that are there. An id is that of a commit, or the name of a release."""

    @property
    def prepares(self) -> bool:
        """Whether something must be built or installed before a launch."""

    def has(self, ident: str) -> bool:
        """Whether this one is there already."""

    def use(self, ident: str) -> AbstractContextManager[Checkout]:
        """This one; it is not removed meanwhile."""

    def prepare(self, ident: str, checkout: Checkout, log: Path, stopped: Callable[[], bool]) -> Built:
        """Build or install it. Raises KeyboardInterrupt when it is stopped; nothing of it stays then."""

    def case(self, case: Case, checkout: Checkout) -> Case:
        """The case as it runs there. Raises NotInCheckout where there is nothing to run."""

    def rerun(self, case: Case, ident: str, wanted: str) -> str:
        """The command that launches it once more. `case`: as it runs there."""

    def details(self, ident: str) -> tuple[str, ...]:
        """Who made it, when, and what it changes, as lines for people; the last is how to see more."""
