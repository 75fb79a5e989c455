"""What Lockstep is told of the toy engine: its sections, its phases, and how a rank is started."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, PositiveInt

from lockstep.harness.engine_api import EngineBase, Fault, FaultSections, Section, python_module


class Tables(Section):
    """`tables`: each rank has room for so many rows."""

    room: list[PositiveInt] = Field(min_length=2, description="rows, of each rank")
    batches: list[PositiveInt] = Field([1, 2, 4], min_length=1)


class ToyFault(Fault):
    """The one thing that can happen to a rank of this engine."""

    kind: Literal["delay"]
    seconds: float = Field(gt=0)


class Sections(FaultSections[ToyFault]):
    """The keys of a toy scenario, beside those that every scenario has."""

    tables: Tables
    agree: bool = Field(False, description="ranks skip a batch together")


class ToyEngine(EngineBase[Sections]):
    """Entry point `toy`."""

    name = "toy"
    sections = Sections
    phases = ("load", "warmup")

    def ranks(self, sections: Sections) -> int:
        """One for each number of rows."""
        return len(sections.tables.room)

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """One rank: everything it needs comes in its environment."""
        return python_module("toy_engine.rank")


ENGINE = ToyEngine()
