"""`kv_capacity`: one unit, an amount for all ranks, for each, or for most of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.harness.scenario.document import Keys
from lockstep.harness.scenario.frame import KvCapacity, PerRank


def capacity(section: KvCapacity) -> tuple[str, float | list[float] | PerRank]:
    """The unit that is given, and its amount."""
    (unit,) = section.model_fields_set
    amount: float | list[float] | PerRank = getattr(section, unit)
    return unit, amount


def amounts(amount: float | list[float] | PerRank) -> Iterator[tuple[Keys, float]]:
    """Every number of an amount, with its path below the unit."""
    if isinstance(amount, PerRank):
        yield ("default",), amount.default
        yield from ((("ranks", rank), value) for rank, value in amount.ranks.items())
    elif isinstance(amount, list):
        yield from (((number,), value) for number, value in enumerate(amount))
    else:
        yield (), amount


def per_rank(amount: float | list[float] | PerRank, ranks: int) -> list[float]:
    """The amount of each rank."""
    if isinstance(amount, PerRank):
        return [amount.ranks.get(rank, amount.default) for rank in range(ranks)]
    return list(amount) if isinstance(amount, list) else [amount] * ranks
