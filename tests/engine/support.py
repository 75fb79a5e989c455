"""Engines inside the test's process: ranks as threads over in-process communicators, and a device without tensors.

Over the size we keep: the stand-ins are the parts of one engine, and a test that runs it needs them all.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Step, StepOutput
from lockstep.engines.minimal.comm.data_plane import DataPlane
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.control.request_feed import RequestFeed
from lockstep.engines.minimal.control.variants.step_broadcast import NoBroadcast
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.serving.executor import Executor
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.scenario.load import load_all
from lockstep.harness.trace import Recorder, layout

STUCK_S = 5.0


class Stuck(Exception):
    """A rank waits in the communicator of this name for one that never comes."""


class Group:
    """What the members of a communicator share."""

    def __init__(self, size: int, stuck_s: float = STUCK_S) -> None:
        self.barrier = threading.Barrier(size, timeout=stuck_s)
        self.board: list[object] = [None] * size
        self.stuck_s = stuck_s
        self._lock = threading.Lock()
        self._boxes: dict[tuple[int, int, str], queue.Queue[object]] = {}

    def mail(self, source: int, to: int, what: str) -> queue.Queue[object]:
        """What `source` has sent to `to` as `what`."""
        with self._lock:
            return self._boxes.setdefault((source, to, what), queue.Queue())


class ThreadCommunicator:
    """A communicator between threads, for control flow alone. Keeps what this rank gave to each all-gather."""

    def __init__(self, name: str, rank: int, group: Group) -> None:
        self.name, self.rank, self.size = name, rank, group.barrier.parties
        self.given: list[object] = []
        self._group, self._board = group, group.board

    def allgather(self, value: object, what: str = "") -> list[Any]:
        """Every member's value."""
        self.given.append(value)
        self._board[self.rank] = value
        self.barrier()
        found = list(self._board)
        self.barrier()
        return found

    def broadcast(self, value: object, root: int, what: str = "") -> Any:
        """The value of member `root`."""
        return self.allgather(value, what)[root]

    def send(self, value: object, to: int, what: str) -> None:
        """Hand a value on. Unlike the real one it does not wait."""
        self._group.mail(self.rank, to, what).put(value)

    def isend(self, value: object, to: int, what: str) -> ThreadCommunicator:
        """Hand a value on."""
        self.send(value, to, what)
        return self

    def wait(self) -> None:
        """Nothing is pending."""

    def recv(self, source: int, what: str) -> Any:
        """Take a value. Raises Stuck when none comes."""
        try:
            return self._group.mail(source, self.rank, what).get(timeout=self._group.stuck_s)
        except queue.Empty as error:
            raise Stuck(self.name) from error

    def barrier(self) -> None:
        """Wait for every member. Raises Stuck when one does not come."""
        try:
            self._group.barrier.wait()
        except threading.BrokenBarrierError as error:
            raise Stuck(self.name) from error


def on_groups(size: int, names: Sequence[str], work: Callable[..., Any], stuck_s: float = STUCK_S) -> list[Any]:
    """What `work`, called with a communicator for each name, returns or raises on each of `size` ranks."""
    groups = [(name, Group(size, stuck_s)) for name in names]
    results: list[Any] = [None] * size

    def run(rank: int) -> None:
        try:
            results[rank] = work(*(ThreadCommunicator(name, rank, group) for name, group in groups))
        except Exception as error:  # handed to the test
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * stuck_s)
    return results


def alone() -> ThreadCommunicator:
    """The communicator of a rank by itself."""
    return ThreadCommunicator("self", 0, Group(1))


def on_ranks(size: int, work: Callable[[ThreadCommunicator], Any]) -> list[Any]:
    """The same with one communicator."""
    return on_groups(size, ("world",), work)


class Log(Recorder):
    """A recorder that keeps phases and decisions, and writes nowhere."""

    def __init__(self) -> None:
        super().__init__(bytearray(layout.ring_bytes(64)), 64)
        self.phases: list[str] = []
        self.decisions: list[tuple[str, str, str, str]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Keep the name."""
        self.phases.append(name)
        yield

    def decision(self, site: str, key: str, choice: str, detail: str = "", deviates: bool = False) -> None:
        """Keep the decision."""
        self.decisions.append((site, key, choice, detail))


def following(token: int, position: int) -> int:
    """What the device without tensors decodes after a token."""
    return (token * 31 + position * 7 + 11) % 128


class TableDevice:
    """A device whose next token is `following`, with drafts that are often wrong. Every forward meets all ranks."""

    out_of_memory: type[Exception] = MemoryError

    def __init__(self, data: ThreadCommunicator, draft_len: int) -> None:
        self.data, self.draft_len = data, draft_len
        self.lazy = False
        self.shapes: list[tuple[str, int]] = []  # how each forward ran, and its tokens

    def eager(self, step: Step, how: str = "eager") -> StepOutput:
        """Exchange token counts as an all-to-all would, which must agree with what the step was told."""
        counts = tuple(self.data.allgather(len(step.tokens)))
        if counts != step.counts:
            raise RuntimeError(f"ranks sent {counts} tokens, expected were {step.counts}")
        self.shapes.append((how, len(step.tokens)))
        tokens = [following(token, position) for token, position in zip(step.tokens, step.positions, strict=True)]
        drafts = [self._drafts(token, position + 1) for token, position in zip(tokens, step.positions, strict=True)]
        return StepOutput(tuple(tokens), tuple(drafts))

    def encode(self, request: int, tokens: Sequence[int], reduce: bool) -> None:
        """Nothing to encode."""

    def room(self) -> int | None:
        """Nobody counts memory."""
        return None

    def profile(self, tokens: int, tile: int) -> float:
        """All tactics are alike."""
        return 0.0

    def mean(self, value: float, what: str) -> float:
        """The mean over the data plane."""
        values = self.data.allgather(value)
        return float(sum(values)) / len(values)

    def recover(self) -> None:
        """Nothing is ever half done."""

    def hand_on(self) -> None:
        """Nothing is kept back."""

    def fill(self, step: Step) -> None:
        """No stage is before this one."""

    def capture(self, step: Step, name: str) -> TableGraph:
        """A graph with the shape of `step`."""
        self.eager(step, "capture")
        return TableGraph(self, step)

    def _drafts(self, token: int, position: int) -> tuple[int, ...]:
        found: list[int] = []
        for number in range(self.draft_len):
            token = following(token, position + number)
            found.append(token if (token + position) % 3 > number else 0)
        return tuple(found)


class TableGraph:
    """Insists on the shape and the counts of its capture, as splits baked into a graph do."""

    def __init__(self, device: TableDevice, step: Step) -> None:
        self.device, self.counts, self.tokens = device, step.counts, len(step.tokens)

    def replay(self, step: Step) -> StepOutput:
        """Run it again."""
        if (step.counts, len(step.tokens)) != (self.counts, self.tokens):
            raise RuntimeError(f"a graph of {self.counts} tokens is replayed with {step.counts}")
        return self.device.eager(step, "replay")


class LocalPlane(DataPlane):
    """The data plane of a rank alone; notes what was issued. Stands in for gloo where only the device is tested."""

    size = 1

    def __init__(self) -> None:
        super().__init__()
        self.issued: list[str] = []
        self.comm = Log().comm("local", "alone", [0])

    def all_reduce(self, tensor: Tensor, place: str) -> None:
        """Nothing to sum."""
        self._issue(f"all_reduce {place}")

    def all_to_all(
        self, output: Tensor, source: Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """What was sent comes back."""
        self._issue(f"all_to_all {place}")
        output.copy_(source)

    def _issue(self, op: str) -> None:
        self.note(self.comm, op, -1)
        self.issued.append(op)


class ListPool:
    """A KV pool that holds a number a block, and notes what is read and written."""

    def __init__(self, blocks: int, tokens_per_block: int) -> None:
        self.blocks, self.tokens_per_block, self.bytes = blocks, tokens_per_block, 0
        self.content: dict[int, object] = {}
        self.written: list[int] = []
        self.there = True

    def discard(self) -> None:
        """What it holds is gone."""
        self.content, self.there = {}, False

    def restore(self) -> None:
        """Room again."""
        self.there = True

    def read(self, block: int) -> object:
        """What it holds."""
        return self.content.get(block)

    parts = 1

    def read_part(self, block: int, part: int) -> object:
        """What it holds."""
        return self.content.get(block)

    def write_parts(self, block: int, contents: Sequence[object]) -> None:
        """Put something in."""
        self.write(block, contents[0])

    def write(self, block: int, content: object) -> None:
        """Put something in."""
        self.content[block] = content
        self.written.append(block)


def context_of(
    mine: Settings,
    tp: Any,
    log: Log,
    device: Any,
    *,
    world: Any = None,
    pool: Any = None,
    blocks: int | None = None,
    pp: Any = None,
) -> RankContext:
    """What the parts of a rank stand on; by default all ranks are one group, and as many blocks as the pool has."""
    pool = pool or ListPool(int(mine.kv.amount), mine.kv.tokens_per_block)
    manager = BlockManager(pool.blocks if blocks is None else blocks, mine.kv.tokens_per_block)
    return RankContext(
        settings=mine,
        recorder=log,
        faults=Faults(mine.rank, mine.faults, log, lambda code: None, manager),
        tp=tp,
        world=world or tp,
        pipeline=Pipeline(mine, pp or alone(), log, device),
        engine=ModelEngine(mine, tp, device, log, scratch_block=pool.blocks),
        manager=manager,
        pool=pool,
    )


def executor_of(context: RankContext, group: Any = None) -> Executor:
    """Its executor; `group`: the ranks that share its requests."""
    return Executor(context, RequestFeed(context.settings, group), NoBroadcast())


def settings(changes: dict[str, Any] | None = None, rank: int = 0, world: int = 1) -> Settings:
    """Settings as a scenario gives them, with changes by dotted key."""
    values = {"parallel": {"tp": world}, "kv_capacity": {"blocks": 64}, **(changes or {})}
    case = load_all(["tests/engine/base.yaml"], values)[0]
    return Settings.from_spec(case.spec, rank, world)
