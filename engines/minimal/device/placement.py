"""Which GPU a rank gets, and which data plane carries its tensors. Pure: all ranks come to the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seat:
    """What a rank tells of itself: its host, its number among the ranks there, how many they are, the GPUs there.

    `used`: bytes that anybody uses on each GPU, where that is known.
    """

    host: str
    local_rank: int
    local_size: int
    gpus: int
    used: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """The GPU of this rank, how many ranks share it, and the data plane with the reason for it."""

    device: int
    sharers: int
    plane: str  # nccl or symm_mem
    reason: str


def place(seats: Sequence[Seat], rank: int, wanted: str = "auto") -> Placement:
    """The placement of rank `rank`, from the seats of all ranks. `wanted`: auto, nccl or symm_mem.

    Ranks that outnumber the GPUs of their only host all share the one that is used least, as the first rank sees it. Raises
    RuntimeError when a host has no GPU, or when ranks on several hosts would have to share.
    """
    for number, seat in enumerate(seats):
        if seat.gpus < 1:
            raise RuntimeError(f"rank {number} finds no GPU on host {seat.host}; run with --device cpu")
    mine = seats[rank]
    shared = min(range(mine.gpus), key=lambda gpu: (seats[0].used or (0,) * mine.gpus)[gpu])
    one_each = all(seat.local_size <= seat.gpus for seat in seats)
    if one_each and wanted != "symm_mem":
        return Placement(mine.local_rank, 1, "nccl", "every rank has a GPU of its own")
    if len({seat.host for seat in seats}) == 1 and one_each:
        return Placement(shared, mine.local_size, "symm_mem", "the scenario asks for it")
    if len({seat.host for seat in seats}) == 1 and wanted != "nccl":
        reason = (
            f"{mine.local_size} ranks outnumber {mine.gpus} GPU{'s' * (mine.gpus > 1)} and share one, which NCCL refuses"
        )
        return Placement(shared, mine.local_size, "symm_mem", reason)
    figures = ", ".join(sorted({f"{seat.host}: {seat.local_size} ranks, {seat.gpus} GPUs" for seat in seats}))
    raise RuntimeError(
        f"ranks outnumber the GPUs, or are to share one from several hosts ({figures}); {wanted} cannot do that: "
        "give every rank a GPU, or put all ranks on one host"
    )
