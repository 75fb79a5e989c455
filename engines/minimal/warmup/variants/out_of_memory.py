"""What a rank does that runs out of memory in a warm-up forward (NVIDIA/TensorRT-LLM#13177, #14000, #17667)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Device
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class OutOfMemory(Protocol):
    """Asked for each warm-up forward."""

    def forward(self, phase: str, label: str, device: Device, recorder: Recorder) -> AbstractContextManager[None]:
        """What stands around it."""


class Raise:
    """Sound: the error ends the warm-up."""

    def forward(self, phase: str, label: str, device: Device, recorder: Recorder) -> AbstractContextManager[None]:
        """Nothing."""
        return nullcontext()


class Skip:
    """It drops the shape, and its peers stay in the forward's next collective (NVIDIA/TensorRT-LLM#13177, before #17667)."""

    @contextmanager
    def forward(self, phase: str, label: str, device: Device, recorder: Recorder) -> Iterator[None]:
        """A handler."""
        try:
            yield
        except device.out_of_memory as error:
            detail = str(error).partition(".")[0]
            recorder.decision(f"{phase}.out_of_memory", label, "skip", detail, deviates=True)
            self.dropped(device)

    def dropped(self, device: Device) -> None:
        """A dispatch without its combine stays."""


class SkipAndReset(Skip):
    """And forgets the dispatch that has no combine (the mend of NVIDIA/TensorRT-LLM#14000)."""

    def dropped(self, device: Device) -> None:
        """Nothing is half done any more."""
        device.recover()


OUT_OF_MEMORY = Point[OutOfMemory](
    "out_of_memory",
    "`skip`: a rank that runs out of memory in a warm-up forward drops the shape, as upstream before #17667; "
    "`skip-and-reset`: and forgets the dispatch that has no combine (#14000)",
    {"raise": Raise(), "skip": Skip(), "skip-and-reset": SkipAndReset()},
)
