"""The device `cuda`: eager forwards on one stream, and real CUDA graphs over one shared memory pool."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from lockstep.engines.minimal.base.protocols import Step, StepOutput
from lockstep.engines.minimal.comm.data_plane import DataPlane
from lockstep.engines.minimal.device.gpu_memory import GpuMemory
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import Model
from lockstep.engines.minimal.model.inputs import input_tensors, step_output
from lockstep.harness.trace import Recorder


class CudaGraph:
    """A captured step: static input tensors, the graph, static outputs."""

    def __init__(self, device: CudaDevice, step: Step, name: str) -> None:
        self._device = device
        self._inputs = device.inputs(step)
        self._graph = torch.cuda.CUDAGraph()
        started = time.perf_counter()
        with torch.cuda.stream(device.stream), device.plane.taped() as tape:
            self._graph.capture_begin(pool=device.graph_pool, capture_error_mode="thread_local")
            try:
                self._outputs = device.run(self._inputs, step)
            except BaseException:
                with suppress(RuntimeError):  # of a capture that the error has broken; it must end all the same,
                    self._graph.capture_end()  # or whatever comes next on this stream would belong to it
                raise
            self._graph.capture_end()
        seconds = time.perf_counter() - started
        self._manifest = device.recorder.manifest(name, tape)
        device.captures.append({"graph": name, "capture_s": seconds, "pool_bytes": device.graph_pool_bytes()})

    def replay(self, step: Step) -> StepOutput:
        """Run the graph on new inputs."""
        device = self._device
        with torch.cuda.stream(device.stream):
            for static, fresh in zip(self._inputs, input_tensors(step, device.pool.tokens_per_block), strict=True):
                static.copy_(fresh)
            if device.drop_launch:
                device.drop_launch = False
            else:
                device.recorder.replay(self._manifest)
                self._graph.replay()
            return device.output(self._outputs)


class CudaDevice:
    """Runs the model on the KV pool, everything on one stream.

    Over the size we keep: it answers to two protocols, `Device` and `FaultyDevice`, and graphs ask it for their
    inputs and outputs.
    """

    out_of_memory: type[Exception] = torch.OutOfMemoryError
    lazy = False  # there is one pipeline stage only

    def __init__(self, plane: DataPlane, recorder: Recorder, memory: GpuMemory) -> None:
        self.plane = plane
        self.recorder = recorder
        self.memory = memory
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.graph_pool = torch.cuda.graph_pool_handle()
        self.captures: list[dict[str, str | float]] = []
        self.drop_launch = False  # a fault: the next replay is not handed to the stream
        self.model: Model
        self.pool: KvPool

    def room(self) -> int | None:
        """Not counted here: the device itself refuses what does not fit."""
        return None

    def eager(self, step: Step) -> StepOutput:
        """Run a forward of any shape."""
        inputs = self.inputs(step)
        with torch.cuda.stream(self.stream):
            return self.output(self.run(inputs, step))

    def encode(self, request: int, tokens: Sequence[int], reduce: bool) -> None:
        """One embedding, and its sum over the group."""
        with torch.cuda.stream(self.stream):
            features = self.model.embedding[torch.tensor(tokens, device="cuda")]
            if reduce:
                self.plane.begin()
                self.plane.all_reduce(features, f"encoder request={request}")
                self.plane.finish()
            with self.recorder.synchronize():
                self.stream.synchronize()

    def profile(self, tokens: int, tile: int) -> float:
        """Time the model's experts."""
        with torch.cuda.stream(self.stream):
            return self.model.time_experts(tokens, tile)

    def mean(self, value: float, what: str) -> float:
        """A sum over the group, divided."""
        with torch.cuda.stream(self.stream):
            total = torch.tensor([value], device="cuda")
            self.plane.begin()
            self.plane.all_reduce(total, what)
            self.plane.finish()
            with self.recorder.synchronize():
                self.stream.synchronize()
        return float(total) / self.plane.size

    def recover(self) -> None:
        """A dispatch without its combine is forgotten."""
        self.model.exchange.reset()

    def capture(self, step: Step, name: str) -> CudaGraph:
        """Capture a forward of the shape of `step`; nothing runs meanwhile."""
        return CudaGraph(self, step, name)

    def hand_on(self) -> None:
        """Nothing is kept back."""

    def fill(self, step: Step) -> None:
        """No stage is before this one."""

    def inputs(self, step: Step) -> tuple[Tensor, ...]:
        """Input tensors on the device."""
        with torch.cuda.stream(self.stream):
            return tuple(tensor.to("cuda") for tensor in input_tensors(step, self.pool.tokens_per_block))

    def run(self, inputs: tuple[Tensor, ...], step: Step) -> tuple[Tensor, Tensor]:
        """The model on given input tensors, handed to the current stream."""
        self.plane.begin()
        result = self.model.forward(self.pool.data, inputs, step.counts, step.sampling, step.summed)
        self.plane.finish()
        return result

    def output(self, result: tuple[Tensor, Tensor]) -> StepOutput:
        """Wait for the stream, then read. The wait is an event: a host that hangs here waits for what its stream is in."""
        with self.recorder.synchronize():
            self.stream.synchronize()
        return step_output(*result)

    def graph_pool_bytes(self) -> int:
        """Device memory of the pool that all graphs share."""
        segments = torch.cuda.memory_snapshot()  # type: ignore[no-untyped-call]
        return sum(part["total_size"] for part in segments if part["segment_pool_id"] == self.graph_pool)

    # --- faults that only a device can have -----------------------------------------------------------------------

    def take_memory(self, size: int | None, leave: int | None) -> None:
        """Ballast: `size` bytes, or all of the budget but `leave`."""
        if size is not None:
            self.memory.take(size)
        else:
            self.memory.take_all_but(leave or 0)

    def fail(self) -> None:
        """A device-side error: an index out of bounds, found by the kernel that meets it."""
        with torch.cuda.stream(self.stream):
            torch.zeros(4, device="cuda")[torch.tensor([9], device="cuda")]
            with self.recorder.synchronize():
                self.stream.synchronize()

    def skip_launch(self) -> None:
        """The next replay is not handed to the stream."""
        self.drop_launch = True


def device_lost() -> bool:
    """Whether the CUDA context is dead: then nothing that was handed to it will ever run. Never waits."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.current_stream().query()
    except RuntimeError:
        return True
    return False
