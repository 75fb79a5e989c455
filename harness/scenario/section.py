"""The base of every section of a scenario file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Strict: no unknown key, no conversion between types (but a whole number may stand for a float), no number without
    an end."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
