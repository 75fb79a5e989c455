"""The warm-up, in the order of TensorRT-LLM's PyTorch engine; every phase under its own guard.

Sources: NVIDIA/TensorRT-LLM `pyexecutor/model_engine.py` as of #14126 and #17667. None of it knows what comes of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from functools import partial

from lockstep.engines.minimal.base.batch import (
    Attempt,
    Shape,
    capture_request,
    intersection,
    max_context_tokens,
    warmup_request,
)
from lockstep.engines.minimal.base.out_of_step import gathered
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.forward.model_engine import WARMUP_STEPS
from lockstep.engines.minimal.warmup.autotuner import Autotuner
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.minimal.warmup.variants.capture_exit import CAPTURE_EXIT
from lockstep.engines.minimal.warmup.variants.clock_order import CLOCK_ORDER
from lockstep.engines.minimal.warmup.variants.guard import GUARDS, Guard
from lockstep.engines.minimal.warmup.variants.memory_check import MEMORY_CHECK
from lockstep.engines.minimal.warmup.variants.out_of_memory import OUT_OF_MEMORY
from lockstep.engines.minimal.warmup.variants.phase_entry import PHASE_ENTRY, Entry
from lockstep.engines.minimal.warmup.variants.stage_barrier import STAGE_BARRIER


class WarmUp:
    """Runs all phases once. `captured`, `skipped`: sizes and shapes by phase, with a graph and without."""

    def __init__(self, context: RankContext, hand_off: CacheHandOff, autotuner: Autotuner) -> None:
        """`hand_off`, `autotuner`: of the process, which may warm up more than once."""
        settings = context.settings
        self.context, self.settings, self.engine, self.manager = context, settings, context.engine, context.manager
        self.hand_off, self.autotuner = hand_off, autotuner
        self.captured: dict[str, list[int]] = {}
        self.skipped: dict[str, Sequence[int | str]] = {}
        self._guided = settings.warm_up.guided_decoding and context.pipeline.last  # that stage samples
        self._entry = Entry(False, False)  # what a guided decoder turns off
        self._capture_exit = CAPTURE_EXIT.of(settings)
        self._clock_order = CLOCK_ORDER.of(settings)
        self._memory_check = MEMORY_CHECK.of(settings)
        self._out_of_memory = OUT_OF_MEMORY.of(settings)
        self._phase_entry = PHASE_ENTRY.of(settings)
        self._stage_barrier = STAGE_BARRIER.of(settings)

    def run(self) -> None:
        """All phases that this upstream state has, in order."""
        self._entry = self._enter()
        graphs, tunes = self.settings.graphs, self.settings.warm_up.autotuner
        self.engine.warming_up = True
        self._phase("attention", self._attention)
        self._phase("general", self._general, self._entry.general)
        self._phase("autotuner", self._autotuner, tunes)
        self._phase("generation_capture", self._generation_capture, bool(graphs.sizes))
        self._phase("prefill_capture", self._prefill_capture, bool(graphs.prefill_sizes))
        self._phase("memory_pool", self._memory_pool, self._entry.general)
        self.engine.warming_up = False
        self._clock()

    def _phase(self, name: str, run: Callable[[Guard], None], wanted: bool = True) -> None:
        """A phase under its guard, if it is wanted and this upstream state has it."""
        context = self.context
        if wanted and self.settings.warm_up.phases[name]:
            with context.recorder.phase(name):
                context.faults.at(name)
                self._stage_barrier.meet(context.tp, context.world)
                run(self._guard(name))

    def _guard(self, phase: str) -> Guard:
        context = self.context
        return GUARDS[self.settings.warm_up.guards[phase]](phase, context.tp, context.world, context.recorder)

    def _enter(self) -> Entry:
        """A guided decoder turns the general warm-up off, and shapes of the attention warm-up; newer upstream agrees."""
        own = not self._guided
        if self.settings.warm_up.guided_decoding:
            choice = "enter" if own else "skip"
            self.context.recorder.decision("general.entry", "guided decoder", choice, deviates=not own)
        return self._phase_entry.entry(own, self.context.world) if self._guard("general").agrees else Entry(own, own)

    def _attention(self, guard: Guard) -> None:
        """Generation shapes may be turned off apart from the general phase, by which the prompts go."""
        draft, generation, general = self.settings.drafts.length, self._entry.attention, self._entry.general
        shapes = [Shape("generation", 1 + draft, 1)] if generation else []
        shapes += [Shape("context", 1, 0)] if general else []
        shapes += [Shape("mixed", 2 + draft, 1)] if generation and general else []
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
        recorder = self.context.recorder
        recorder.decision("general.shapes", "list", str(len(shapes)), f"max_tokens={largest}")
        if guard.agrees:
            lists = self.context.world.allgather([(shape.num_tokens, shape.num_gen) for shape in shapes], "shapes")
            with gathered(lists, "shapes"):
                own, shapes = shapes, intersection(shapes, lists)
            self.skipped["general"] = [shape.label for shape in own if shape not in shapes]
            recorder.decision("general.agreed_shapes", "list", " ".join(shape.label for shape in shapes))
        self._forwards(guard, shapes)

    def _autotuner(self, guard: Guard) -> None:
        shapes = [Shape("max-context", max_context_tokens(self.settings, self.manager), 0)]
        if not self._guided and self.settings.parallel.pp == 1:
            shapes.append(Shape("generation", 1 + self.settings.drafts.length, 1))
        self.autotuner.begin()
        for shape in shapes:
            if not self.autotuner.skips(shape):
                with self.hand_off.tuned():
                    self._forwards(guard, [shape])
            self.autotuner.choose(shape)
        self.autotuner.end()

    def _generation_capture(self, guard: Guard) -> None:
        """Largest batch first, so that smaller graphs reuse its memory; a second pass for advanced sampling with MTP."""
        captured: set[int] = set()
        for sampling in ("greedy", "advanced") if self.settings.drafts.length else ("greedy",):
            for size in self.settings.graphs.sizes:
                for draft in self.settings.drafts.lengths:
                    label = f"bs={size} draft={draft} {sampling}"
                    ask = partial(capture_request, self.settings, self.manager, size, draft)
                    with self._capture_exit.capture(self.context.world):
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

    def _note(self, phase: str, sizes: Sequence[int], captured: Container[int]) -> None:
        self.captured[phase] = [size for size in sizes if size in captured]
        self.skipped[phase] = [size for size in sizes if size not in captured]

    def _memory_pool(self, guard: Guard) -> None:
        size = self.settings.max_batch_size
        largest = max_context_tokens(self.settings, self.manager)
        self._forwards(guard, [Shape("max-context", largest, 0), Shape("max-batch", size, size)])

    def _clock(self) -> None:
        """Upstream's `_set_global_steady_clock_offset`: all ranks of the world meet."""
        context = self.context
        with context.recorder.phase("clock"):
            context.faults.at("clock")
            self._stage_barrier.meet(context.tp, context.world)
            of_world = [context.world.barrier, lambda: context.world.allgather(time.monotonic(), "clock")]
            for meet in self._clock_order.meetings(self.settings.rank, of_world, context.tp):
                meet()

    def _forwards(self, guard: Guard, shapes: list[Shape]) -> None:
        for shape in shapes:
            self._forward(guard, shape.label, partial(warmup_request, self.settings, self.manager, shape), "greedy")

    def _forward(
        self, guard: Guard, label: str, ask: Callable[[], Attempt], sampling: str, stages: Sequence[str] = ()
    ) -> bool:
        """Make a request and run it if this rank has one and the guard lets it: once without graphs, or once for each of the
        `stages` of making one. Whether it ran."""
        context, ran = self.context, False
        context.recorder.shape(label)
        context.faults.at(guard.phase, label)
        attempt = self._memory_check.checked(ask(), context)
        try:
            if guard.should_run(label, attempt) and attempt.batch is not None:
                with self._out_of_memory.forward(guard.phase, label, self.engine.device, context.recorder):
                    for stage in stages or ("serve",):
                        self.engine.stage = stage
                        self.engine.forward(attempt.batch, sampling, graphs=bool(stages))
                    ran = True
        finally:
            self.engine.stage = "serve"
            if attempt.batch is not None:
                attempt.batch.free(self.manager)
        if ran:
            context.recorder.milestone(f"{guard.phase} {label}")
        return ran


def _unlike(*shapes: Shape) -> list[Shape]:
    """Without those that have the numbers of an earlier one; so even the length of the list may differ by rank."""
    found: dict[tuple[int, int], Shape] = {}
    for shape in shapes:
        found.setdefault((shape.num_tokens, shape.num_gen), shape)
    return list(found.values())
