"""The case: one point of a scenario's matrix, one launch of N ranks or several on what the earlier left.

Plain data; standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_RANKS = 1 << 16  # more than any job has, and what a machine can still write down


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. Only what no proof reaches is judged by them."""

    deadline_s: float = 120.0  # since the launch; then `slow` or `stall`
    livelock_s: float = 60.0  # without a milestone while collectives complete
    launch_s: float = 60.0  # until every supervisor has reported
    teardown_s: float = 10.0  # for ranks to finish in order
    silence_s: float = 30.0  # a host that says nothing for so long is lost


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case's verdict should be. None: not said. Engines never see it."""

    outcome: str
    cause: str | None = None
    proved: bool | None = None
    blame: tuple[int, ...] | None = None
    launch: int | None = None  # the launch that the verdict is of
    error: str | None = None  # exception type of every error that is known; "no-error": none is
    decision: dict[str, Any] | None = None  # phase, shape, choice, detail of the blame
    skipped: dict[str, list[int | str]] | None = None  # phase -> shapes that no rank ran
    findings: tuple[str, ...] | None = None  # must be there
    absent_findings: tuple[str, ...] | None = None  # must not be there


@dataclass(frozen=True, slots=True)
class Case:
    """What the ranks get (`spec`), how often they are launched, how long each launch may take, and what is expected."""

    id: str
    scenario: str
    path: str
    source: str
    summary: str
    tags: tuple[str, ...]
    engine: str
    ranks: int
    point: dict[str, Any]
    spec: dict[str, Any]
    expect: Expectation
    limits: Limits = field(default_factory=Limits)
    reports: tuple[str, ...] = ()  # public reports: owner/repository#number
    mechanism_class: str = ""
    note: str = ""  # what this point shows
    launches: int = 1  # one after another; a folder stays between them
    nodes: tuple[int, ...] = ()  # ranks of each node, every node on a host of its own; empty: no wish

    def to_json(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Case:
        """The inverse of `to_json`, also after a way through JSON. Raises TypeError for another format."""
        said = raw["expect"].items()
        expect: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in said}
        parts = {
            "nodes": tuple(raw.get("nodes", ())),
            "tags": tuple(raw["tags"]),
            "expect": Expectation(**expect),
            "limits": Limits(**raw["limits"]),
        }
        return Case(**{**raw, **parts})
