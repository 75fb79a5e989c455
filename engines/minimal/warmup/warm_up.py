"""The warm-up, in the order of TensorRT-LLM's PyTorch engine; every phase under its own guard.

Sources: NVIDIA/TensorRT-LLM `pyexecutor/model_engine.py` as of #14126 and #17667. None of it knows what comes of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from lockstep.engines.minimal.base.batch import (
    Attempt,
    Shape,
    capture_request,
    intersection,
    max_context_tokens,
    warmup_request,
)
from lockstep.engines.minimal.forward.model_engine import WARMUP_STEPS
from lockstep.engines.minimal.warmup.autotuner import Autotuner
from lockstep.engines.minimal.warmup.guard import Guard
from lockstep.engines.minimal.warmup.parts import Parts


@dataclass(slots=True)
class WarmUp(Parts):
    """Runs all phases once."""

    captured: dict[str, list[int]] = field(default_factory=dict)
    skipped: dict[str, Sequence[int | str]] = field(default_factory=dict)
    general: bool = False  # whether there is a general warm-up; may be agreed
    no_decoder: bool = True  # no guided decoder here, or anywhere where that is agreed
    autotuner: Autotuner | None = None  # of an earlier warm-up in this process

    def run(self) -> None:
        """All phases that this upstream state has, in order."""
        self.general = self._can_run_general()
        phases: list[tuple[str, bool, Callable[[Guard], None]]] = [
            ("attention", True, self._attention),
            ("general", self.general, self._general),
            ("autotuner", self.settings.warm_up.autotuner, self._autotuner),
            ("generation_capture", bool(self.settings.graphs.sizes), self._generation_capture),
            ("prefill_capture", bool(self.settings.graphs.prefill_sizes), self._prefill_capture),
            ("memory_pool", self.general, self._memory_pool),
        ]
        self.engine.warming_up = True
        for name, wanted, phase in phases:
            if wanted and self.settings.warm_up.phases[name]:
                with self.recorder.phase(name):
                    self.faults.at(name)
                    self._stage_barrier()
                    phase(Guard(name, self.settings.warm_up.guards[name], self.tp, self.world, self.recorder))
        self.engine.warming_up = False
        with self.recorder.phase("clock"):
            self.faults.at("clock")
            self._stage_barrier()
            self._clock()

    def _stage_barrier(self) -> None:
        """No rank begins a stage before all have ended the last (vllm#51340)."""
        match self.settings.habits.stage_barrier:
            case "group":
                self.tp.barrier()
            case "world":
                self.world.barrier()

    @property
    def _guided(self) -> bool:
        """Whether this rank has a guided decoder: the last pipeline stage does, which samples."""
        return self.settings.warm_up.guided_decoding and self.pipeline.last

    def _can_run_general(self) -> bool:
        """A guided decoder turns the general warm-up off; newer upstream agrees on that over the world."""
        flag = self.no_decoder = not self._guided
        if self.settings.warm_up.guided_decoding:
            self.recorder.decision("general.entry", "guided decoder", "enter" if flag else "skip", deviates=not flag)
        if self.settings.warm_up.guards["general"] != "agree" or self.settings.habits.phase_entry == "own":
            return flag
        agreed = all(bool(other) for other in self.world.allgather(flag, "can run general"))
        if self.settings.habits.phase_entry == "agree":
            self.no_decoder = agreed
        return agreed

    def _attention(self, guard: Guard) -> None:
        """As upstream, generation may depend on this rank's own guided decoder, the prompt depends on the agreed flag."""
        draft, generation = self.settings.drafts.length, self.no_decoder
        shapes = [Shape("generation", 1 + draft, 1)] if generation else []
        shapes += [Shape("context", 1, 0)] if self.general else []
        shapes += [Shape("mixed", 2 + draft, 1)] if generation and self.general else []
        self._forwards(guard, shapes)

    def _general(self, guard: Guard) -> None:
        largest = max_context_tokens(self.settings, self.manager)
        size = self.settings.max_batch_size
        shapes = _unlike(
            Shape("one-context", 1, 0),
            Shape("one-generation", 1, 1),
            Shape("max-context", largest, 0),
            Shape("max-batch", size, size),
            Shape("two-context", 2, 0),
        )
        self.recorder.decision("general.shapes", "list", str(len(shapes)), f"max_tokens={largest}")
        if guard.mode == "agree":
            lists = self.world.allgather([(shape.num_tokens, shape.num_gen) for shape in shapes], "shapes")
            own, shapes = shapes, intersection(shapes, lists)
            self.skipped["general"] = [shape.label for shape in own if shape not in shapes]
            self.recorder.decision("general.agreed_shapes", "list", " ".join(shape.label for shape in shapes))
        self._forwards(guard, shapes)

    def _autotuner(self, guard: Guard) -> None:
        shapes = [Shape("max-context", max_context_tokens(self.settings, self.manager), 0)]
        if not self._guided and self.settings.parallel.pp == 1:
            shapes.append(Shape("generation", 1 + self.settings.drafts.length, 1))
        tuner = self.autotuner or Autotuner(self.settings, self.engine.device, self.tp, self.recorder)
        tuner.begin()
        for shape in shapes:
            if not tuner.skips(shape):
                with self.hand_off.tuned():
                    self._forwards(guard, [shape])
            tuner.choose(shape)
        tuner.end()

    def _generation_capture(self, guard: Guard) -> None:
        """Largest batch first, so that smaller graphs reuse its memory; a second pass for advanced sampling with MTP."""
        captured: set[int] = set()
        for sampling in ("greedy", "advanced") if self.settings.drafts.length else ("greedy",):
            for size in self.settings.graphs.sizes:
                for draft in self.settings.drafts.lengths:
                    label = f"bs={size} draft={draft} {sampling}"
                    ask = partial(capture_request, self.settings, self.manager, size, draft)
                    with self._capture_context():
                        ran = self._forward(guard, label, ask, sampling, stages=("capture",))
                    if ran and self.engine.graph_used:
                        captured.add(size)
        self._note(guard.phase, self.settings.graphs.sizes, captured)

    def _prefill_capture(self, guard: Guard) -> None:
        """Whole forwards before and for the capture; then the same sizes with as many prompts as there can be."""
        captured: set[int] = set()
        stages = (*["warm-up"] * WARMUP_STEPS, "capture")
        for most_rows in (False, True):
            for size in self.settings.graphs.prefill_sizes:
                label = f"tokens={size}" + " most-requests" * most_rows
                ask = partial(warmup_request, self.settings, self.manager, Shape(label, size, 0), most_rows)
                if self._forward(guard, label, ask, "greedy", stages) and self.engine.graph_used:
                    captured.add(size)
        self._note(guard.phase, self.settings.graphs.prefill_sizes, captured)

    @contextmanager
    def _capture_context(self) -> Iterator[None]:
        """As sglang's custom all-reduce, whose context registers buffers with all ranks when it is left (#11275)."""
        try:
            yield
        finally:
            if self.settings.habits.capture_exit == "collective":
                self.world.barrier()

    def _note(self, phase: str, sizes: Sequence[int], captured: Container[int]) -> None:
        self.captured[phase] = [size for size in sizes if size in captured]
        self.skipped[phase] = [size for size in sizes if size not in captured]

    def _memory_pool(self, guard: Guard) -> None:
        size = self.settings.max_batch_size
        largest = max_context_tokens(self.settings, self.manager)
        self._forwards(guard, [Shape("max-context", largest, 0), Shape("max-batch", size, size)])

    def _clock(self) -> None:
        """Upstream's `_set_global_steady_clock_offset`: all ranks of the world meet."""
        meetings: list[Callable[[], object]] = [self.world.barrier, lambda: self.world.allgather(time.monotonic(), "clock")]
        if self.settings.habits.clock_order == "by-parity":
            meetings.append(self.tp.barrier)
            meetings = meetings[:: -1 if self.settings.rank % 2 else 1]
        for meet in meetings:
            meet()

    def _forwards(self, guard: Guard, shapes: list[Shape]) -> None:
        for shape in shapes:
            self._forward(guard, shape.label, partial(warmup_request, self.settings, self.manager, shape), "greedy")

    def _forward(
        self, guard: Guard, label: str, ask: Callable[[], Attempt], sampling: str, stages: Sequence[str] = ()
    ) -> bool:
        """Make a request and run it if this rank has one and the guard lets it: once without graphs, or once for each of the
        `stages` of making one. Whether it ran."""
        self.recorder.shape(label)
        self.faults.at(guard.phase, label)
        attempt = self._with_memory(ask())
        try:
            if not guard.should_run(label, attempt) or attempt.batch is None:
                return False
            for stage in stages or ("serve",):
                self.engine.stage = stage
                self.engine.forward(attempt.batch, sampling, graphs=bool(stages))
        except self.engine.device.out_of_memory as error:
            if self.settings.habits.out_of_memory == "raise":
                raise
            detail = str(error).partition(".")[0]
            self.recorder.decision(f"{guard.phase}.out_of_memory", label, "skip", detail, deviates=True)
            if self.settings.habits.out_of_memory == "skip-and-reset":
                self.engine.device.recover()
            return False
        finally:
            self.engine.stage = "serve"
            if attempt.batch is not None:
                attempt.batch.free(self.manager)
        self.recorder.milestone(f"{guard.phase} {label}")
        return True

    def _with_memory(self, attempt: Attempt) -> Attempt:
        """The request, or none where the experts' workspace for it surely does not fit (#13177)."""
        free, batch = self.engine.device.room(), attempt.batch
        if self.settings.habits.memory_check == "none" or free is None or batch is None:
            return attempt
        needed = batch.num_tokens * self.settings.moe.workspace_bytes
        if needed <= free:
            return attempt
        batch.free(self.manager)
        return replace(attempt, batch=None, reason=f"memory free_bytes={free} needed_bytes={needed}")


def _unlike(*shapes: Shape) -> list[Shape]:
    """Without those that have the numbers of an earlier one; so even the length of the list may differ by rank."""
    found: dict[tuple[int, int], Shape] = {}
    for shape in shapes:
        found.setdefault((shape.num_tokens, shape.num_gen), shape)
    return list(found.values())
