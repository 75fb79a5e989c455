"""The three things that the control flow stands on: communicators, a device, a KV cache. Plain Python types only.

Whoever provides them (MPI and gloo, CUDA, a simulator of thousands of ranks) imports its own libraries; the control flow
imports none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Pending(Protocol):
    """A send that does not block."""

    def wait(self) -> None:
        """Block until the value is on its way and its memory may be used again."""


class Communicator(Protocol):
    """A blocking host communicator."""

    rank: int
    size: int

    def allgather(self, value: object, what: str = "") -> list[Any]:
        """Every member's value, by rank in this communicator. `what` it is tells collectives of one shape apart."""

    def broadcast(self, value: object, root: int, what: str = "") -> Any:
        """The value that member `root` gives; what the others give is not looked at."""

    def barrier(self) -> None:
        """Wait for every member."""

    def send(self, value: object, to: int, what: str) -> None:
        """Hand a value to member `to`; ends when that one has taken it."""

    def isend(self, value: object, to: int, what: str) -> Pending:
        """Begin to hand a value to member `to`."""

    def recv(self, source: int, what: str) -> Any:
        """The next value that member `source` sends as `what`."""


@dataclass(frozen=True, slots=True)
class Step:
    """The input of one forward, one entry a token: what a device needs and nothing else.

    `slots` says where a token's key and value go in the KV pool; `tables` which blocks its attention reads, up to its
    own position. `counts`: tokens of every expert-parallel rank, for dispatch and combine; `summed`: they travel by
    all-reduce, not by all-to-all.
    """

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    slots: tuple[int, ...]
    tables: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    sampling: str  # greedy or advanced
    summed: bool = False


@dataclass(frozen=True, slots=True)
class StepOutput:
    """For each token the token that follows it, and the draft tokens after that."""

    next_tokens: tuple[int, ...]
    drafts: tuple[tuple[int, ...], ...]


class Graph(Protocol):
    """A captured step of fixed shape."""

    def replay(self, step: Step) -> StepOutput:
        """Run it on the inputs of `step`, whose shape is that of the capture."""


class Device(Protocol):
    """Runs forwards. `out_of_memory`: what it raises when an allocation fails."""

    out_of_memory: type[Exception]

    def room(self) -> int | None:
        """Bytes that a forward may still take; None: nobody counts them."""

    def eager(self, step: Step) -> StepOutput:
        """Run a forward of any shape."""

    def encode(self, request: int, tokens: Sequence[int], reduce: bool) -> None:
        """The encoder of a prompt's image; with `reduce`, its shards are summed over the data plane's group."""

    def profile(self, tokens: int, tile: int) -> float:
        """Seconds that a tactic takes: the experts on so many tokens, `tile` at a time. No rank takes part but this one."""

    def mean(self, value: float, what: str) -> float:
        """The mean of all ranks' values, by a collective of the data plane."""

    def recover(self) -> None:
        """Forget what a failed forward has left half done."""

    lazy: bool  # keep hidden states back until `hand_on`

    def hand_on(self) -> None:
        """Send the next pipeline stage what a lazy forward has kept back."""

    def fill(self, step: Step) -> None:
        """Receive hidden states for a step of this shape from the pipeline stage before, and run nothing."""

    def capture(self, step: Step, name: str) -> Graph:
        """Record a forward of the shape of `step` as the graph `name`. On `cpu` its collectives are issued meanwhile."""


class KvCache(Protocol):
    """A paged pool that holds keys and values; which block belongs to whom is `BlockManager`'s business."""

    blocks: int
    tokens_per_block: int
    bytes: int

    def discard(self) -> None:
        """Give its memory back to the system. Nobody may touch it until `restore`."""

    def restore(self) -> None:
        """Take the memory again, empty."""

    def read(self, block: int) -> object:
        """A copy of what a block holds."""

    def write(self, block: int, content: object) -> None:
        """Put what `read` gave into a block."""

    @property
    def parts(self) -> int:
        """Parts of its memory, each with all blocks: the keys of a layer, or its values."""

    def read_part(self, block: int, part: int) -> object:
        """A copy of what a block holds in one part."""

    def write_parts(self, block: int, contents: Sequence[object]) -> None:
        """Put what `read_part` gave of each part into a block."""
