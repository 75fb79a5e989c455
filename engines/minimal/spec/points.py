"""Points: the places at which engines differ. A room owns its points, and has a class for each of their variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from lockstep.engines.minimal.spec.settings import Settings

V = TypeVar("V")


@dataclass(frozen=True)  # no slots: `Point[X](...)` sets an attribute of typing's own
class Point(Generic[V]):
    """One place. `variants`: by the word that names each in a scenario's `guards.<key>`; the first one is sound.

    A variant is looked up when its owner is made, never while it runs: control flow knows no words.
    """

    key: str
    description: str  # of the key, in the scenario schema
    variants: Mapping[str, V]

    @property
    def sound(self) -> str:
        """What a scenario gets that does not say."""
        return next(iter(self.variants))

    def of(self, settings: Settings) -> V:
        """The variant that this scenario asks for."""
        return self.variants[settings.variants[self.key]]
