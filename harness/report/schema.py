"""The format of verdict.json, as JSON Schema and as a check. docs/verdicts.md says what the fields mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from lockstep.harness.judge.verdict import SCHEMA, Verdict


@dataclass(frozen=True)
class Expected:
    """Whether the verdict is the one that the scenario expects; if not, in what it differs."""

    ok: bool
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Skew:
    """What was drawn from a seed: the faults, each as kind, rank, phase, shape, seconds."""

    seed: int
    drawn: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Attempt:
    """An earlier attempt at the case, by which nothing could be judged. `outcome` is empty if the run was ended in it."""

    number: int
    outcome: str
    cause: str
    text: str
    folder: str


@dataclass(frozen=True)
class Place:
    """Where ranks of the case were sent. `gpus`: those that they were told to use; empty: any."""

    host: str
    ranks: int
    gpus: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VerdictFile(Verdict):
    """verdict.json: the verdict, and what the run adds to it."""

    # A file has every field, and no other.
    __pydantic_config__ = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    schema: Literal["lockstep.verdict/1"]
    case: str
    run: str
    repetition: int
    attempts: tuple[Attempt, ...]
    expected: Expected
    rerun: str
    device: str
    places: tuple[Place, ...]
    engine_commit: str
    skew: Skew | None
    evidence: tuple[str, ...]
    environment: dict[str, Any]
    seconds: float
    recorded: str


_FILE = TypeAdapter(VerdictFile)


def verdict_schema() -> dict[str, Any]:
    """The JSON Schema of verdict.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **_FILE.json_schema(mode="serialization"),
    }


def read_verdict(raw: str | bytes) -> VerdictFile:
    """Check and read the text of a verdict.json. Raises pydantic's ValidationError, which is a ValueError."""
    return _FILE.validate_json(raw, strict=True)
