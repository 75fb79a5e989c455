"""What pydantic cannot see of a scenario: numbers and names of the frame that do not fit each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockstep.harness.scenario.document import Keys
from lockstep.harness.scenario.faults import no_phase, no_rank
from lockstep.harness.scenario.frame import ExpectSection, Frame
from lockstep.harness.scenario.nodes import wrong_nodes

RESERVED = ("LOCKSTEP_", "PMI")  # variables of the harness and of MPI launchers


def impossible(frame: Frame, ranks: int, phases: Sequence[str]) -> Iterator[tuple[Keys, str]]:
    """Each problem as its path in the scenario and a sentence with advice. `phases`: of the engine; empty: not known."""
    yield from wrong_nodes(frame, ranks)
    for name in frame.environment:
        if name.startswith(RESERVED):
            yield ("environment", name), "is set by the harness or the MPI launcher; remove it"
    for number, expect in enumerate(frame.expect):
        path: Keys = ("expect", number)
        if expect.launch is not None and expect.launch > frame.launches:
            yield (*path, "launch"), f"there is no launch {expect.launch}; launches is {frame.launches}"
        yield from (((*path, "blame"), no_rank(rank, ranks)) for rank in expect.blame or () if rank >= ranks)
        if phases:
            yield from _unknown_phases(expect, path, phases)


def _unknown_phases(expect: ExpectSection, path: Keys, phases: Sequence[str]) -> Iterator[tuple[Keys, str]]:
    wanted = expect.decision.phase if expect.decision else None
    if wanted is not None and wanted not in phases:
        yield (*path, "decision", "phase"), no_phase(wanted, phases)
    for phase in expect.skipped or ():
        if phase not in phases:
            yield (*path, "skipped", phase), no_phase(phase, phases)
