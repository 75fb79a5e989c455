"""Whether ranks agree on the graph of a step (NVIDIA/TensorRT-LLM#14986)."""

from __future__ import annotations

from typing import Any, Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class GraphChoice(Protocol):
    """What the choice of a graph goes by. `group`: ranks with batches of their own; None: this rank alone."""

    def answers(self, group: Communicator | None, value: object, what: str) -> list[Any]:
        """The values of all ranks that have a say."""

    def chosen(self, recorder: Recorder, rows: int) -> None:
        """This rank's batch of so many rows may use a graph."""


class Agree:
    """Sound: the values of all ranks."""

    def answers(self, group: Communicator | None, value: object, what: str) -> list[Any]:
        """By an all-gather."""
        return [value] if group is None else group.allgather(value, what)

    def chosen(self, recorder: Recorder, rows: int) -> None:
        """By all of them."""


class ByOwnBatch:
    """Each rank goes by its own batch (NVIDIA/TensorRT-LLM#14986, vllm-project/vllm#55319)."""

    def answers(self, group: Communicator | None, value: object, what: str) -> list[Any]:
        """This rank's alone."""
        return [value]

    def chosen(self, recorder: Recorder, rows: int) -> None:
        """By nobody else."""
        recorder.decision("forward.graph_choice", "rows", str(rows))


GRAPH_CHOICE = Point[GraphChoice](
    "graph_choice",
    "whether ranks agree on the graph of a step; `none`: each goes by its own batch",
    {"agree": Agree(), "none": ByOwnBatch()},
)
