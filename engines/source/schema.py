"""The sections of a scenario for the engine `source`: the minimal engine's, but for `config` and `guards`.

Read by the harness only.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from lockstep.engines.minimal.spec import schema
from lockstep.engines.minimal.spec.sections import ServingSections
from lockstep.harness.engine_api import Section


class Config(schema.Config):
    """The minimal engine's settings, and the tree whose warm-up runs with them."""

    tree: str | None = Field(None, description="a working tree of TensorRT-LLM; relative to the scenario file, or absolute")

    @field_validator("tree")
    @classmethod
    def _absolute(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Relative to the file that says so, if it is known."""
        file = (info.context or {}).get("file")
        return value if value is None or file is None else str((Path(file).parent / value).resolve())


class Guards(Section):
    """None to set: the guards are those that the tree's own code has."""


class Sections(ServingSections):
    """All sections of the engine `source`."""

    config: Config = Config()
    guards: Guards = Guards()
