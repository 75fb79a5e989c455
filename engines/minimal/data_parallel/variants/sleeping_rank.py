"""A step without requests while the KV cache sleeps (vllm-project/vllm#44483)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class SleepingRank(Protocol):
    """What such a step is."""

    choice: str  # its name in events
    computes: bool  # whether there is a forward, which writes to the memory that sleeps
    counts: bool  # whether the step counts, so that its agreement is due as on the other ranks
    deviates: bool  # whether it is off the common path


class SkipCompute:
    """Sound: no forward, but the agreement."""

    choice, computes, counts, deviates = "skip-compute", False, True, False


class SkipStep:
    """No agreement either: ranks that are not asleep wait for it (vllm-project/vllm#44483)."""

    choice, computes, counts, deviates = "skip-step", False, False, True


class DummyForward:
    """A dummy as ever, into memory that has been given back (vllm-project/vllm#44483)."""

    choice, computes, counts, deviates = "dummy", True, True, True


SLEEPING_RANK = Point[SleepingRank](
    "sleeping_rank",
    "a step without requests while the KV cache sleeps: no forward; `skip-step`: no agreement either; `dummy`: as ever",
    {"skip-compute": SkipCompute(), "skip-step": SkipStep(), "dummy": DummyForward()},
)
