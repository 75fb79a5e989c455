"""The engine core of one data-parallel rank: vLLM's busy loop, which steps in waves and takes messages between steps.

Mirrors `DPEngineCoreProc`: a rank without work runs dummies while any rank has work, and every so many steps all ranks agree
on whether any has.
"""

from __future__ import annotations

import time

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request, accept_all
from lockstep.engines.minimal.data_parallel.arrivals import Arrivals
from lockstep.engines.minimal.data_parallel.drafter import Drafter
from lockstep.engines.minimal.data_parallel.inbox import Inbox
from lockstep.engines.minimal.data_parallel.model_runner import DpModelRunner
from lockstep.engines.minimal.data_parallel.variants.sleeping_rank import SLEEPING_RANK
from lockstep.engines.minimal.data_parallel.variants.zero_token_step import ZERO_TOKEN_STEP
from lockstep.engines.minimal.data_parallel.waves import Waves
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.kv.allocation import PlainAllocation
from lockstep.engines.minimal.serving.scheduler import Scheduler

IDLE_S = 0.002  # a step that runs nothing leaves the core to others


class DpEngineCore:
    """Decodes this rank's requests to the end. `core`: over what engine cores agree; weights come over the world."""

    equal = True  # as of the other executor; here graphs are not run again

    def __init__(self, context: RankContext, core: Communicator, inbox: Inbox, drafter: Drafter | None = None) -> None:
        settings = context.settings
        self.context, self.recorder, self.drafter = context, context.recorder, drafter
        self.runner = DpModelRunner(context)
        self.scheduler = Scheduler(context, PlainAllocation(settings, context.manager, context.tp))
        self.scheduler.draft_len = settings.drafts.length if drafter is not None else 0
        self.waves = Waves(context, core, lambda: self._unfinished)
        self.arrivals = Arrivals(context, core, inbox, self.scheduler, self.waves, drafter)
        self.steps = 0  # of this wave
        self.total = 0
        self.done: dict[str, list[int]] = {}
        self._backend = settings.data_parallel.backend
        self._async = settings.data_parallel.async_scheduling
        self._sync_interval = settings.data_parallel.sync_interval
        self._zero_token_step = ZERO_TOKEN_STEP.of(settings)
        self._sleeping = SLEEPING_RANK.of(settings)

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id."""
        self.arrivals.begin()
        while self.arrivals.process(self.total):
            self._begin()
            if self._step():
                self._agree()
        return self.done

    @property
    def _step_name(self) -> str:
        return f"wave={self.waves.wave} step={self.steps}"

    @property
    def _unfinished(self) -> int:
        """Requests that this rank may work on; those of a paused scheduler wait for its resume."""
        return 0 if self.waves.paused else self.scheduler.left + len(self.arrivals.remote)

    def _begin(self) -> None:
        self.steps += 1
        self.total += 1
        self.recorder.shape(self._step_name)
        self.context.faults.at("decode", self._step_name)

    def _step(self) -> bool:
        """Run what is scheduled, or a dummy. Whether the step counts: all ranks' steps that count are in step."""
        if self._unfinished:
            finished = [request for request in self.scheduler.active if request.finished]
            self.scheduler.admit(self.total)
            runnable = [request for request in self.scheduler.scheduled if not request.finished]
            if runnable:
                self._run(runnable)
            executed = bool(runnable) or (self._async and self._zero_tokens())
            # With async scheduling the last token of a request is known only after the next step was scheduled.
            self._retire(finished if self._async else self.scheduler.active)
            if executed:
                return True
        return self._idle()

    def _run(self, requests: list[Request]) -> None:
        rows = [request.row(self.scheduler.draft_len) for request in requests]
        self.recorder.decision("decode.step", self._step_name, "run", f"requests={len(rows)}")
        accept_all(requests, rows, self.runner.execute_model(rows, self._step_name))
        if self.drafter is not None:
            self.drafter.propose([request for request in requests if not request.finished], self._step_name)
        self.recorder.milestone(self._step_name)

    def _zero_tokens(self) -> bool:
        """A step that was scheduled and has no token: every request has been computed, or waits for KV from elsewhere."""
        dummy = self._zero_token_step.runs(self._backend)
        detail = f"requests={self._unfinished} tokens=0 backend={self._backend}"
        self.recorder.decision("decode.step", self._step_name, "dummy" if dummy else "skip", detail, deviates=not dummy)
        if dummy:
            self._run_dummy()
        return True

    def _idle(self) -> bool:
        """The step of a rank that has nothing to run while others may: a dummy. Whether it counts."""
        if "kv_cache" in self.waves.asleep:
            return self._sleep()
        self.recorder.decision("decode.step", self._step_name, "dummy", "requests=0")
        self._run_dummy()
        return True

    def _sleep(self) -> bool:
        """The same while there is no memory to write to."""
        step = self._sleeping
        self.recorder.decision("decode.step", self._step_name, step.choice, "kv_cache=asleep", deviates=step.deviates)
        if step.computes:
            self._run_dummy()
        if not step.counts:
            self.steps -= 1
            time.sleep(IDLE_S)
        return step.counts

    def _run_dummy(self) -> None:
        self.runner.dummy_run(self._step_name)
        if self.drafter is not None:
            self.drafter.propose([], self._step_name)

    def _retire(self, requests: list[Request]) -> None:
        for request in [request for request in requests if request.finished]:
            self.scheduler.active.remove(request)
            self.context.manager.free(request.blocks)
            self.done[str(request.ident)] = request.output

    def _agree(self) -> None:
        """Whether any rank has work: asked every so many steps only, and taken for granted in between."""
        self.waves.running = True
        if self.steps % self._sync_interval == 0:
            self.waves.agree()
        if not self.waves.running:
            self.waves.end()
            self.steps = 0
