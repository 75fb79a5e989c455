"""Whether the autotuner chooses tactics, and what ranks tell each other of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockstep.engines.minimal.base.batch import Shape
from lockstep.engines.minimal.base.protocols import Communicator, Device
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class TacticExchange(Protocol):
    """Asked while a shape is tuned."""

    chooses: bool  # whether there are tactics at all

    def hit(self, own: bool, tp: Communicator) -> bool:
        """Whether this rank goes by its cache, which knows the shape (`own`) or not."""

    def begin(self, shape: Shape, tactics: Sequence[int], most: int, recorder: Recorder) -> None:
        """It tunes: these are its tactics, of at most so many."""

    def timed(self, seconds: float, tactic: int, device: Device) -> float:
        """What a tactic took, by this rank's clock or by more."""

    def share(self, tactic: int, tuned: bool, tp: Communicator) -> None:
        """The tactic of the shape, which was just `tuned` or was known."""


class NoTactics:
    """Sound: none are chosen, nothing is told."""

    chooses = False

    def hit(self, own: bool, tp: Communicator) -> bool:
        """By its own cache."""
        return own

    def begin(self, shape: Shape, tactics: Sequence[int], most: int, recorder: Recorder) -> None:
        """By itself."""

    def timed(self, seconds: float, tactic: int, device: Device) -> float:
        """By its own clock."""
        return seconds

    def share(self, tactic: int, tuned: bool, tp: Communicator) -> None:
        """Nobody hears of it."""


class Alone(NoTactics):
    """Sound too: each rank by itself (vllm-project/vllm#52291 without its collectives)."""

    chooses = True


class Always(Alone):
    """Sound too: all tell their tactics, tuned or known."""

    def share(self, tactic: int, tuned: bool, tp: Communicator) -> None:
        """All ranks come."""
        tp.allgather(tactic, "tactics")


class OnMiss(Alone):
    """Those that had to tune tell theirs, and wait for those that had not (NVIDIA/TensorRT-LLM#14240)."""

    def share(self, tactic: int, tuned: bool, tp: Communicator) -> None:
        """Who has tuned comes."""
        if tuned:
            tp.allgather(tactic, "tactics")


class Vote(OnMiss):
    """All tune if any must (the mend of NVIDIA/TensorRT-LLM#14240 and vllm-project/vllm#54618)."""

    def hit(self, own: bool, tp: Communicator) -> bool:
        """If all know the shape."""
        return all(tp.allgather(own, "cache hit"))


class PerTactic(Alone):
    """Each timing is averaged over the ranks: one whose shape has more tactics, or whose cache lacks it, is in a round that
    the others never begin (vllm-project/vllm#52291, #54618)."""

    def begin(self, shape: Shape, tactics: Sequence[int], most: int, recorder: Recorder) -> None:
        """How many rounds there will be."""
        detail = f"num_tokens={shape.num_tokens}"
        recorder.decision("autotuner.tactics", shape.label, str(len(tactics)), detail, deviates=len(tactics) < most)

    def timed(self, seconds: float, tactic: int, device: Device) -> float:
        """One round."""
        return device.mean(seconds, f"timing tactic={tactic}")


TACTIC_EXCHANGE = Point[TacticExchange](
    "tactic_exchange",
    "whether the autotuner chooses tactics, and exchanges them: `alone`, `always`, `on-miss`: those that had to tune, "
    "`vote`: all tune if any must, `per-tactic`: each timing is averaged over the ranks",
    {
        "none": NoTactics(),
        "alone": Alone(),
        "always": Always(),
        "on-miss": OnMiss(),
        "vote": Vote(),
        "per-tactic": PerTactic(),
    },
)
