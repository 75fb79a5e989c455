"""The device `cpu`: eager forwards, and graphs that are recorded and replayed on static buffers like CUDA's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from engines.minimal.kv_pool import KvPool
from engines.minimal.model import Model
from engines.minimal.protocols import Step, StepOutput


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

    def __init__(self, device: CpuDevice, step: Step) -> None:
        self._device = device
        self._inputs = device.inputs(step)
        recording = device.recording = Recording()
        try:
            with recording:
                self._outputs = device.run(self._inputs, step)
        finally:
            device.recording = None
        self._nodes = recording.nodes

    def replay(self, step: Step) -> StepOutput:
        """Run the recorded operations on new inputs. Collectives are issued again, in the recorded order."""
        for static, fresh in zip(self._inputs, self._device.inputs(step), strict=True):
            static.copy_(fresh)
        for node in self._nodes:
            node()
        return _output(*self._outputs)


class CpuDevice:
    """Runs the model on the KV pool."""

    def __init__(self, model: Model, pool: KvPool) -> None:
        self.model = model
        self.pool = pool
        self.recording: Recording | None = None

    def eager(self, step: Step) -> StepOutput:
        """Run a forward of any shape."""
        return _output(*self.run(self.inputs(step), step))

    def capture(self, step: Step) -> CpuGraph:
        """Record a forward of the shape of `step`."""
        return CpuGraph(self, step)

    def inputs(self, step: Step) -> tuple[Tensor, ...]:
        """Tokens, positions, slots [T]; the slots of each token's context [T, S] and which of them it sees."""
        per_block = self.pool.tokens_per_block
        positions = torch.tensor(step.positions)
        blocks = torch.tensor(step.tables)
        offsets = torch.arange(per_block)
        context = (blocks[:, :, None] * per_block + offsets).flatten(1)
        visible = torch.arange(context.shape[1])[None, :] <= positions[:, None]
        return torch.tensor(step.tokens), positions, torch.tensor(step.slots), context, visible

    def run(self, inputs: tuple[Tensor, ...], step: Step) -> tuple[Tensor, Tensor]:
        """The model on given input tensors."""
        tokens, positions, slots, context, visible = inputs
        return self.model.forward(self.pool.data, tokens, positions, slots, context, visible, step.counts, step.sampling)

    def collective(self, issue: Callable[[], None]) -> None:
        """Issue a collective; while recording, as one node that a replay issues again."""
        if self.recording is None:
            issue()
            return
        with _disable_current_modes():
            issue()
        self.recording.nodes.append(issue)


def _output(next_tokens: Tensor, drafts: Tensor) -> StepOutput:
    return StepOutput(tuple(next_tokens.tolist()), tuple(map(tuple, drafts.tolist())))
