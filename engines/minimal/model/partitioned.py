"""Partitioned parameters: each rank keeps a part of every weight, and a layer gathers the whole when it needs it.

As DeepSpeed's ZeRO-3: every use of a weight is a collective of all ranks, so a rank that runs no forward is missed.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lockstep.engines.minimal.comm.data_plane import Collectives
from lockstep.engines.minimal.model.decoder import Model

WEIGHTS = ("query", "key", "value", "out", "up", "down")


class Partitioned:
    """The weights of one name, by layer. Reading one gathers it."""

    def __init__(self, name: str, weights: Sequence[Tensor], plane: Collectives, rank: int, size: int) -> None:
        self._name, self._plane, self._size = name, plane, size
        self._shapes = [weight.shape for weight in weights]
        self._parts = [weight.reshape(size, -1)[rank : rank + 1].clone() for weight in weights]

    def __getitem__(self, layer: int) -> Tensor:
        """The whole weight of a layer. All ranks must come."""
        part = self._parts[layer]
        whole = part.new_empty(self._size, part.shape[1])
        each = [1] * self._size
        self._plane.all_to_all(whole, part.repeat(self._size, 1), each, each, f"parameters {self._name} layer={layer}")
        return whole.view(self._shapes[layer])


def partition(model: Model, plane: Collectives, rank: int, size: int) -> None:
    """Leave this rank's part of the layers' weights in the model. Raises RuntimeError if one cannot be dealt evenly."""
    for name in WEIGHTS:
        setattr(model, name, Partitioned(name, getattr(model, name), plane, rank, size))
