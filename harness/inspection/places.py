"""Which rank a process is, as whoever started it has told it: the variables of its environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lockstep.harness.judge.flight_dump import MOST_RANKS

# Rank and size, the more particular first: below a rank of Slurm's or MPI's torchrun may have started ranks of its own.
VARIABLES = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "PMIX_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """`world`: how many ranks there are; 0: nobody says. `level`: by which of `VARIABLES`; the lowest is the best."""

    rank: int
    world: int
    level: int

    @property
    def variable(self) -> str:
        """By which it is told."""
        return VARIABLES[self.level][0]


def place_of(environment: Mapping[str, str]) -> Place | None:
    """The place of a process; None where its environment gives it none. What no rank can be is none."""
    for level, (rank_name, size_name) in enumerate(VARIABLES):
        rank, world = (_number(environment.get(name, "")) for name in (rank_name, size_name))
        if rank is not None and rank < (world or MOST_RANKS) and not (level == 0 and world is None):
            return Place(rank, world or 0, level)  # RANK alone may mean anything
    return None


def variables(raw: bytes) -> dict[str, str]:
    """An environment as Linux tells it."""
    pairs = (entry.decode(errors="replace").partition("=") for entry in raw.split(b"\0"))
    return {name: value for name, _, value in pairs if name}


def _number(text: str) -> int | None:
    """A whole number that a rank or a world can have."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 7):
        return None
    return int(text) if int(text) <= MOST_RANKS else None
