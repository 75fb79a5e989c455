"""Guards: what a phase does when some ranks can run a warm-up request and others cannot."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.base.batch import Attempt
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.harness.trace import Recorder


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard of one phase. `mode`: none, assert, agree, sync-skip or fail-stop.

    `assert` and `fail-stop` ask the tensor-parallel group (NVIDIA/TensorRT-LLM#14126, #17667), `agree` and `sync-skip` the
    world. To `fail-stop` a missing batch is fatal, also where no rank can have one.
    """

    phase: str
    mode: str
    tp: Communicator
    world: Communicator
    recorder: Recorder

    def should_run(self, label: str, attempt: Attempt) -> bool:
        """Whether this rank runs the request. Raises RuntimeError on every rank that was asked, when they disagree."""
        has_batch = attempt.batch is not None
        choice = "run" if has_batch else "none"
        self.recorder.decision(f"{self.phase}.request", label, choice, attempt.detail, deviates=not has_batch)
        if self.mode == "none":
            return has_batch
        group = self.tp if self.mode in ("assert", "fail-stop") else self.world
        if group.size == 1 and (has_batch or self.mode != "fail-stop"):
            return has_batch
        flags = group.allgather(has_batch, "has batch")
        # As upstream, a flag is only tested for truth.
        if all(flags) or self.mode == "sync-skip" or (not any(flags) and self.mode != "fail-stop"):
            return all(bool(flag) for flag in flags)
        figures = group.allgather((attempt.free_blocks, attempt.needed_blocks, attempt.num_tokens), "figures")
        lines = [
            f"rank {rank}: {'batch' if flag else 'no batch'}, (free blocks, needed blocks, tokens) = {figure}"
            for rank, (flag, figure) in enumerate(zip(flags, figures, strict=True))
        ]
        what = "ranks disagree on whether to run" if any(flags) else "no rank has a batch for"
        raise RuntimeError(f"{what} {self.phase} {label}: " + "; ".join(lines))
