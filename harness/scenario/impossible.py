"""What pydantic cannot see of a scenario: numbers that do not fit each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.harness.scenario.capacity import amounts, capacity
from lockstep.harness.scenario.document import Keys
from lockstep.harness.scenario.frame import Amount, Frame, PerRank, Skew
from lockstep.harness.scenario.nodes import wrong_nodes

PHASES = (
    "init", "attention", "general", "autotuner", "generation_capture", "prefill_capture", "memory_pool", "clock", "decode",
    "jit",
)  # fmt: skip
RESERVED = ("LOCKSTEP_", "PMI")  # variables of the harness and of MPI launchers


def impossible(frame: Frame, ranks: int) -> list[tuple[Keys, str]]:
    """Each problem as its path in the scenario and a sentence with advice."""
    found: list[tuple[Keys, str]] = []
    ep = frame.parallel.ep
    if ep is not None and ep not in (1, frame.parallel.tp):
        found.append((("parallel", "ep"), f"{ep} is neither 1 nor tp ({frame.parallel.tp}); use one of them"))
    group = frame.parallel.attention_tp
    if frame.parallel.tp % group or (group > 1 and not frame.parallel.attention_dp):
        text = f"{group} ranks to a group need attention_dp and a tp ({frame.parallel.tp}) that is a multiple of it"
        found.append((("parallel", "attention_tp"), f"{text}; use 1"))
    found += wrong_nodes(frame, ranks)
    if frame.kv_capacity is not None:
        unit, amount = capacity(frame.kv_capacity)
        found += _amount(("kv_capacity", unit), amount, ranks)
    if frame.gpu.memory_bytes is not None:
        found += _amount(("gpu", "memory_bytes"), frame.gpu.memory_bytes, ranks)
    if frame.cpu.memory_bytes is not None:
        found += _amount(("cpu", "memory_bytes"), frame.cpu.memory_bytes, ranks)
    for name in frame.environment:
        if name.startswith(RESERVED):
            found.append((("environment", name), "is set by the harness or the MPI launcher; remove it"))
    for number, fault in enumerate(frame.faults):
        if isinstance(fault.rank, int) and fault.rank >= ranks:
            text = f"there is no rank {fault.rank}; ranks are 0 to {ranks - 1}"
            found.append((("faults", number, "rank"), text))
        if fault.launch is not None and fault.launch > frame.launches:
            found.append((("faults", number, "launch"), f"there is no launch {fault.launch}; launches is {frame.launches}"))
        if fault.phase not in PHASES:
            found.append((("faults", number, "phase"), f"unknown phase {fault.phase!r}; there are {', '.join(PHASES)}"))
    if frame.skew is not None:
        found += _skew(frame.skew, ranks)
    for number, expect in enumerate(frame.expect):
        if expect.launch is not None and expect.launch > frame.launches:
            found.append((("expect", number, "launch"), f"there is no launch {expect.launch}; launches is {frame.launches}"))
        found += [
            (("expect", number, "blame"), f"there is no rank {rank}; ranks are 0 to {ranks - 1}")
            for rank in expect.blame or ()
            if rank >= ranks
        ]
    return found


def _skew(skew: Skew, ranks: int) -> Iterator[tuple[Keys, str]]:
    if skew.seconds is not None and skew.seconds[0] > skew.seconds[1]:
        yield ("skew", "seconds"), "the least is more than the most; give [least, most]"
    for number, rank in enumerate(skew.ranks or ()):
        if rank >= ranks:
            yield ("skew", "ranks", number), f"there is no rank {rank}; ranks are 0 to {ranks - 1}"
    for number, phase in enumerate(skew.phases or ()):
        if phase not in PHASES:
            yield ("skew", "phases", number), f"unknown phase {phase!r}; there are {', '.join(PHASES)}"


def _amount(path: Keys, amount: Amount, ranks: int) -> Iterator[tuple[Keys, str]]:
    """What is wrong with an amount; the last key of `path` is its unit."""
    unit = path[-1]
    if isinstance(amount, list) and len(amount) != ranks:
        yield path, f"has {len(amount)} values for {ranks} ranks; give one for each"
    if isinstance(amount, PerRank):
        for rank in amount.ranks:
            if not 0 <= rank < ranks:
                yield (*path, "ranks", rank), f"there is no rank {rank}; ranks are 0 to {ranks - 1}"
    for keys, value in amounts(amount):
        if value < 0:
            yield (*path, *keys), f"{value:g} is negative; give 0 or more"
        elif unit == "fraction" and not value <= 1:
            yield (*path, *keys), f"{value:g} is more than all; give a share between 0 and 1"
        elif unit != "fraction" and not float(value).is_integer():
            yield (*path, *keys), f"{value:g} is not a whole number; {unit} are counted"
