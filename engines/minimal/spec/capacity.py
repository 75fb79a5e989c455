"""`kv_capacity`: one unit, an amount for all ranks, for each, or for most of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.engines.minimal.spec.sections import Amount, KvCapacity, PerRank
from lockstep.harness.engine_api import Path

MOST_BLOCKS, MOST_BYTES = 1 << 24, 1 << 50  # more than any machine has


def capacity(section: KvCapacity) -> tuple[str, Amount]:
    """The unit that is given, and its amount."""
    (unit,) = section.model_fields_set
    amount: Amount = getattr(section, unit)
    return unit, amount


def amounts(amount: Amount) -> Iterator[tuple[Path, float]]:
    """Every number of an amount, with its path below the unit."""
    if isinstance(amount, PerRank):
        yield ("default",), amount.default
        yield from ((("ranks", rank), value) for rank, value in amount.ranks.items())
    elif isinstance(amount, list):
        yield from (((number,), value) for number, value in enumerate(amount))
    else:
        yield (), amount


def per_rank(amount: Amount, ranks: int) -> list[float]:
    """The amount of each rank."""
    if isinstance(amount, PerRank):
        return [amount.ranks.get(rank, amount.default) for rank in range(ranks)]
    return list(amount) if isinstance(amount, list) else [amount] * ranks


def whole_per_rank(amount: Amount | None, ranks: int) -> list[int] | None:
    """The same of what is counted; None where nothing is said."""
    return None if amount is None else [int(value) for value in per_rank(amount, ranks)]


def wrong_amount(path: Path, amount: Amount | None, ranks: int) -> Iterator[tuple[Path, str]]:
    """What is wrong with an amount, as its path and a sentence with advice; the last key of `path` is its unit."""
    unit = path[-1]
    if amount is None:
        return
    if isinstance(amount, list) and len(amount) != ranks:
        yield path, f"has {len(amount)} values for {ranks} ranks; give one for each"
    if isinstance(amount, PerRank):
        for rank in amount.ranks:
            if not 0 <= rank < ranks:
                yield (*path, "ranks", rank), f"there is no rank {rank}; ranks are 0 to {ranks - 1}"
    most = MOST_BLOCKS if unit == "blocks" else MOST_BYTES
    for keys, value in amounts(amount):
        if value < 0:
            yield (*path, *keys), f"{value:g} is negative; give 0 or more"
        elif unit == "fraction" and not value <= 1:
            yield (*path, *keys), f"{value:g} is more than all; give a share between 0 and 1"
        elif unit != "fraction" and not float(value).is_integer():
            yield (*path, *keys), f"{value:g} is not a whole number; {unit} are counted"
        elif value > most:
            yield (*path, *keys), f"{value:g} is more than any machine has; give at most {most}"
