"""The device `cpu`: eager forwards, and graphs that are recorded and replayed on static buffers like CUDA's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from lockstep.engines.minimal.base.protocols import Step, StepOutput
from lockstep.engines.minimal.comm.data_plane import DataPlane
from lockstep.engines.minimal.device.host_memory import HostMemory
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import Model
from lockstep.engines.minimal.model.inputs import input_tensors, step_output
from lockstep.engines.minimal.spec.model import HIDDEN
from lockstep.harness.trace import Recorder


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records each operation with its inputs and outputs, as it runs. Host control flow is not recorded, as with CUDA."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Callable[[], None]] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not _is_view(result, args):
            self.nodes.append(_node(func, args, kwargs, result))
        return result


def _is_view(result: Any, args: Sequence[Any]) -> bool:
    """Whether the result only looks at an input's memory, so that a replay has nothing to do. In-place results do not."""
    if not isinstance(result, Tensor) or any(result is arg for arg in args):
        return False
    storages = {arg.untyped_storage().data_ptr() for arg in args if isinstance(arg, Tensor) and arg.numel()}
    return bool(result.numel()) and result.untyped_storage().data_ptr() in storages


def _node(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Callable[[], None]:
    """Run the operation again and put what it gives where its readers look for it."""
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]

    def again() -> None:
        fresh = func(*args, **kwargs)
        for old, new in zip(outputs, fresh if isinstance(fresh, (tuple, list)) else [fresh], strict=True):
            if isinstance(old, Tensor) and old is not new:
                old.copy_(new)

    return again


class CpuGraph:
    """A captured step: static input tensors, recorded operations, static outputs."""

    def __init__(self, device: CpuDevice, step: Step, name: str) -> None:
        self._device = device
        self._inputs = input_tensors(step, device.pool.tokens_per_block)
        recording = device.recording = Recording()
        try:
            with device.plane.taped() as tape, recording:
                self._outputs = device.run(self._inputs, step)
        finally:
            device.recording = None
        self._nodes = recording.nodes
        device.recorder.manifest(name, tape)

    def replay(self, step: Step) -> StepOutput:
        """Run the recorded operations on new inputs. Collectives are issued again, in the recorded order."""
        for static, fresh in zip(self._inputs, input_tensors(step, self._device.pool.tokens_per_block), strict=True):
            static.copy_(fresh)
        for node in self._nodes:
            node()
        return step_output(*self._outputs)


class CpuDevice:
    """Runs the model on the KV pool. The model's collectives are to go through it, so that graphs hold them.

    Over the size we keep: it answers to two protocols, `Device` and `Collectives`, which meet in what is being recorded.
    """

    out_of_memory: type[Exception] = MemoryError

    def __init__(self, plane: DataPlane, recorder: Recorder) -> None:
        self.plane = plane
        self.recorder = recorder
        self.memory = HostMemory(None)
        self.recording: Recording | None = None
        self.lazy = False
        self.before_capture: Callable[[], None] = lambda: None  # where communicators are made that only graphs use
        self.kept: list[tuple[Tensor, str]] = []
        self.model: Model
        self.pool: KvPool

    def room(self) -> int | None:
        """What is left of this rank's share of the host's memory."""
        return self.memory.free

    def eager(self, step: Step) -> StepOutput:
        """Run a forward of any shape."""
        return step_output(*self.run(input_tensors(step, self.pool.tokens_per_block), step))

    def encode(self, request: int, tokens: Sequence[int], reduce: bool) -> None:
        """One embedding, and its sum over the group."""
        features = self.model.embedding[torch.tensor(tokens)]
        if reduce:
            self.plane.all_reduce(features, f"encoder request={request}")

    def profile(self, tokens: int, tile: int) -> float:
        """Time the model's experts."""
        return self.model.time_experts(tokens, tile)

    def mean(self, value: float, what: str) -> float:
        """A sum over the group, divided."""
        total = torch.tensor([value])
        self.plane.all_reduce(total, what)
        return float(total) / self.plane.size

    def recover(self) -> None:
        """A dispatch without its combine is forgotten."""
        self.model.exchange.reset()

    def capture(self, step: Step, name: str) -> CpuGraph:
        """Record a forward of the shape of `step`."""
        self.before_capture()
        return CpuGraph(self, step, name)

    def hand_on(self) -> None:
        """Send what lazy forwards have kept back."""
        while self.kept:
            self.plane.send(*self.kept.pop(0))

    def fill(self, step: Step) -> None:
        """Receive hidden states for a step of this shape, and run nothing."""
        self.plane.recv(torch.empty(len(step.tokens), HIDDEN), "graph input")

    def run(self, inputs: tuple[Tensor, ...], step: Step) -> tuple[Tensor, Tensor]:
        """The model on given input tensors."""
        return self.model.forward(self.pool.data, inputs, step.counts, step.sampling, step.summed)

    def all_reduce(self, tensor: Tensor, place: str) -> None:
        """The data plane's, as one node of a graph that is being captured."""
        self._collective(lambda: self.plane.all_reduce(tensor, place))

    def reduce_heads(self, tensor: Tensor, place: str) -> None:
        """The data plane's, as one node of a graph that is being captured."""
        self._collective(lambda: self.plane.reduce_heads(tensor, place))

    def all_to_all(
        self, output: Tensor, source: Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """The data plane's, as one node of a graph that is being captured."""
        self._collective(lambda: self.plane.all_to_all(output, source, outgoing, incoming, place))

    def send(self, tensor: Tensor, place: str) -> None:
        """To the next stage, as one node of a graph that is being captured."""
        if self.lazy:
            self.kept.append((tensor, place))
            return
        self._collective(lambda: self.plane.send(tensor, place))

    def recv(self, tensor: Tensor, place: str) -> None:
        """From the stage before, as one node of a graph that is being captured."""
        self._collective(lambda: self.plane.recv(tensor, place))

    def _collective(self, issue: Callable[[], None]) -> None:
        if self.recording is None:
            issue()
            return
        with _disable_current_modes():
            issue()
        self.recording.nodes.append(issue)
