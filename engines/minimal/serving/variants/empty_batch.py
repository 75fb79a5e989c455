"""What a rank does that has requests of which none fits (NVIDIA/TensorRT-LLM#17379)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class EmptyBatch(Protocol):
    """Asked in a step for which this rank has no batch."""

    pads: bool  # whether it runs padding beside its peers


class Veto:
    """Sound where what holds its blocks moves on without a step: nobody runs one. Else no rank ever does again
    (NVIDIA/TensorRT-LLM#17379)."""

    pads = False


class Pad:
    """It runs a dummy: steps of its peers let transfers end (the mend of NVIDIA/TensorRT-LLM#17379)."""

    pads = True


EMPTY_BATCH = Point[EmptyBatch](
    "empty_batch",
    "what a rank does of whose requests none fits: it vetoes the step for all, or runs a dummy beside its peers",
    {"veto": Veto(), "pad": Pad()},
)
