"""Guards: what a phase does when some ranks can run a warm-up request and others cannot.

Chosen for each phase by a scenario's `guards`: an upstream state, refined phase by phase.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NoReturn

from lockstep.engines.minimal.base.batch import Attempt
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.harness.trace import Recorder
from lockstep.harness.trace.choice import LEFT_OUT


class Guard(ABC):
    """The guard of one phase."""

    agrees = False  # on which requests there are to be: on the list of shapes, and on whether there is a general phase

    def __init__(self, phase: str, tp: Communicator, world: Communicator, recorder: Recorder) -> None:
        self.phase, self.tp, self.world, self.recorder = phase, tp, world, recorder

    def should_run(self, label: str, attempt: Attempt) -> bool:
        """Whether this rank runs the request. Raises RuntimeError on every rank that was asked, when they disagree."""
        has_batch = attempt.batch is not None
        choice = "run" if has_batch else LEFT_OUT
        self.recorder.decision(f"{self.phase}.request", label, choice, attempt.detail, deviates=not has_batch)
        return self.passes(label, attempt)

    @abstractmethod
    def passes(self, label: str, attempt: Attempt) -> bool:
        """The answer, after what others say."""


class NoGuard(Guard):
    """Each rank decides alone, as before NVIDIA/TensorRT-LLM#14126."""

    def passes(self, label: str, attempt: Attempt) -> bool:
        """If it has a batch."""
        return attempt.batch is not None


class Asking(Guard):
    """A guard that asks the ranks of a group."""

    @property
    @abstractmethod
    def group(self) -> Communicator:
        """Who is asked."""

    def passes(self, label: str, attempt: Attempt) -> bool:
        """Ask, unless there is nobody else."""
        has_batch = attempt.batch is not None
        if self.group.size == 1:
            return has_batch
        flags = self.group.allgather(has_batch, "has batch")
        if not self.accepts(flags):
            self.stop(label, attempt, flags)
        return all(bool(flag) for flag in flags)

    def accepts(self, flags: Sequence[Any]) -> bool:
        """Whether ranks that answer so may go on: to run if all have a batch, else to skip. A flag is only tested for truth,
        as upstream."""
        return all(flags) or not any(flags)

    def stop(self, label: str, attempt: Attempt, flags: Sequence[Any]) -> NoReturn:
        """Raise on every rank, with everybody's figures."""
        figures = self.group.allgather((attempt.free_blocks, attempt.needed_blocks, attempt.num_tokens), "figures")
        lines = [
            f"rank {rank}: {'batch' if flag else 'no batch'}, (free blocks, needed blocks, tokens) = {figure}"
            for rank, (flag, figure) in enumerate(zip(flags, figures, strict=True))
        ]
        what = "ranks disagree on whether to run" if any(flags) else "no rank has a batch for"
        raise RuntimeError(f"{what} {self.phase} {label}: " + "; ".join(lines))


class Agree(Asking):
    """Run or skip together, raise on a mix; of the world (NVIDIA/TensorRT-LLM#17667)."""

    agrees = True

    @property
    def group(self) -> Communicator:
        """All ranks."""
        return self.world


class Assert(Asking):
    """The same, of the tensor-parallel group only, and on each request only (NVIDIA/TensorRT-LLM#14126)."""

    @property
    def group(self) -> Communicator:
        """The tensor-parallel group."""
        return self.tp


class SyncSkip(Asking):
    """Sound: all skip when any must."""

    @property
    def group(self) -> Communicator:
        """All ranks."""
        return self.world

    def accepts(self, flags: Sequence[Any]) -> bool:
        """Anything."""
        return True


class FailStop(Assert):
    """A missing batch is fatal, also where no rank can have one (NVIDIA/TensorRT-LLM#17667-followup-a)."""

    def passes(self, label: str, attempt: Attempt) -> bool:
        """A rank by itself is a group too."""
        if self.group.size == 1 and attempt.batch is None:
            self.stop(label, attempt, self.group.allgather(False, "has batch"))
        return super().passes(label, attempt)

    def accepts(self, flags: Sequence[Any]) -> bool:
        """Only if all have one."""
        return all(flags)


GUARDS: dict[str, type[Guard]] = {
    "none": NoGuard,
    "assert": Assert,
    "agree": Agree,
    "sync-skip": SyncSkip,
    "fail-stop": FailStop,
}
