"""The engine core of one data-parallel rank: vLLM's busy loop, which steps in waves and takes messages between steps.

Mirrors `DPEngineCoreProc`: a rank without work runs dummies while any rank has work, and every so many steps all ranks agree
on whether any has. Sources: vllm-project/vllm#16277 (waves), #39366 (two-phase pause), #44483 (sleep).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.protocols import Communicator, KvCache
from lockstep.engines.minimal.base.requests import Request, own_requests
from lockstep.engines.minimal.data_parallel.drafter import Drafter
from lockstep.engines.minimal.data_parallel.inbox import Inbox
from lockstep.engines.minimal.data_parallel.model_runner import DpModelRunner
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.spec.groups import Message
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

IDLE_S = 0.002  # a step that runs nothing leaves the core to others


@dataclass(slots=True)
class DpEngineCore:
    """Decodes this rank's requests to the end. `core`: over what engine cores agree; `world`: over what weights come."""

    settings: Settings
    runner: DpModelRunner
    scheduler: Scheduler
    core: Communicator
    world: Communicator
    kv: KvCache
    recorder: Recorder
    faults: Faults
    inbox: Inbox = field(default_factory=Inbox)
    drafter: Drafter | None = None
    equal: bool = True  # as of the other executor; here graphs are not run again
    running: bool = False  # vLLM's `engines_running`: this rank's copy of what the last agreement said
    paused: bool = False  # its scheduler
    pausing: bool = False  # asked to pause, and not all ranks are known to have been
    asleep: set[str] = field(default_factory=set)
    elsewhere: dict[int, Request] = field(default_factory=dict)  # requests that have not come yet
    remote: dict[int, Request] = field(default_factory=dict)  # requests whose KV is still on its way here
    wave: int = 0
    steps: int = 0  # of this wave
    total: int = 0
    resumes: int = 0
    done: dict[str, list[int]] = field(default_factory=dict)

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id."""
        self.scheduler.draft_len = self.settings.drafts.length if self.drafter is not None else 0
        self._take_requests()
        while self._process_messages():
            self.steps += 1
            self.total += 1
            self.recorder.shape(self._step_name)
            self.faults.at("decode", self._step_name)
            if not self._step():
                continue
            self.running = self._any_unfinished()
            if not self.running:
                self.wave += 1
                self.steps = 0
        return self.done

    @property
    def _step_name(self) -> str:
        return f"wave={self.wave} step={self.steps}"

    @property
    def _unfinished(self) -> int:
        """Requests that this rank may work on; those of a paused scheduler wait for its resume."""
        return 0 if self.paused else self.scheduler.left + len(self.remote)

    def _take_requests(self) -> None:
        """Requests that no message brings are there from the start, and the client has started the first wave everywhere."""
        late = {message.request for message in self.inbox.messages if message.kind == "add_request"}
        remote = {message.request for message in self.inbox.messages if message.kind == "kv_arrived"}
        for request in own_requests(self.settings, self.core.rank, self.core.size):
            if request.ident in late:
                self.elsewhere[request.ident] = request
            elif request.ident in remote:
                self.remote[request.ident] = request
            else:
                self.scheduler.waiting.append(request)
        self.running = any(self.core.allgather(self._unfinished, "requests"))

    # --- one step -------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Run what is scheduled, or a dummy. Whether the step counts: all ranks' steps that count are in step."""
        if self._unfinished:
            finished = [request for request in self.scheduler.active if request.finished]
            self.scheduler.admit(self.total)
            runnable = [request for request in self.scheduler.scheduled if not request.finished]
            if runnable:
                self._run(runnable)
            executed = bool(runnable) or (self.settings.data_parallel.async_scheduling and self._zero_tokens())
            # With async scheduling the last token of a request is known only after the next step was scheduled.
            self._retire(finished if self.settings.data_parallel.async_scheduling else self.scheduler.active)
            if executed:
                return True
        return self._dummy()

    def _run(self, requests: list[Request]) -> None:
        rows = [request.row(self.scheduler.draft_len) for request in requests]
        self.recorder.decision("decode.step", self._step_name, "run", f"requests={len(rows)}")
        output = self.runner.execute_model(rows, self._step_name)
        at = 0
        for request, row in zip(requests, rows, strict=True):
            end = at + len(row.tokens)
            request.accept(output.next_tokens[at:end], output.drafts[at:end])
            at = end
        if self.drafter is not None:
            self.drafter.propose([request for request in requests if not request.finished], self._step_name)
        self.recorder.milestone(self._step_name)

    def _zero_tokens(self) -> bool:
        """A step that was scheduled and has no token: every request has been computed, or waits for KV from elsewhere."""
        habit = self.settings.habits.zero_token_step
        dummy = habit == "dummy" or (habit == "by-backend" and self.settings.data_parallel.backend == "external_launcher")
        detail = f"requests={self._unfinished} tokens=0 backend={self.settings.data_parallel.backend}"
        self.recorder.decision("decode.step", self._step_name, "dummy" if dummy else "skip", detail, deviates=not dummy)
        if dummy:
            self._run_dummy()
        return True

    def _dummy(self) -> bool:
        """The forward of a rank that has nothing to run while others may."""
        habit = self.settings.habits.sleeping_rank
        if "kv_cache" in self.asleep and habit != "dummy":
            counts = habit == "skip-compute"
            self.recorder.decision("decode.step", self._step_name, habit, "kv_cache=asleep", deviates=not counts)
            if not counts:
                self.steps -= 1
                time.sleep(IDLE_S)
            return counts
        detail = "kv_cache=asleep" if "kv_cache" in self.asleep else "requests=0"
        self.recorder.decision("decode.step", self._step_name, "dummy", detail, deviates="kv_cache" in self.asleep)
        self._run_dummy()
        return True

    def _run_dummy(self) -> None:
        self.runner.dummy_run(self._step_name)
        if self.drafter is not None:
            self.drafter.propose([], self._step_name)

    def _retire(self, requests: list[Request]) -> None:
        for request in [request for request in requests if request.finished]:
            self.scheduler.active.remove(request)
            self.scheduler.manager.free(request.blocks)
            self.done[str(request.ident)] = request.output

    def _any_unfinished(self) -> bool:
        """Whether any rank has work: asked every so many steps only, and taken for granted in between."""
        if self.steps % self.settings.data_parallel.sync_interval:
            return True
        states = self.core.allgather((bool(self._unfinished), self.pausing), "unfinished")
        if all(pausing for _, pausing in states):
            self.pausing, self.paused = False, True
            return False
        return any(unfinished or pausing for unfinished, pausing in states)

    # --- messages -------------------------------------------------------------------------------------------------

    def _process_messages(self) -> bool:
        """Take what has come; without work, wait for more. False when there is neither work nor a message to come."""
        while not self.running and not self._unfinished:
            message = self.inbox.wait()
            if message is None:
                return False
            self._handle(message)
        while message := self.inbox.take(self.total, self.pausing):
            self._handle(message)
        return True

    def _handle(self, message: Message) -> None:
        match message.kind:
            case "add_request":
                self._add_request(self.elsewhere.pop(message.request or 0, None))
            case "kv_arrived":
                request = self.remote.pop(message.request or 0, None)
                self._add_request(request)
                if request is not None and self.drafter is not None:
                    self.drafter.unseeded.add(request.ident)
            case "start_wave":
                self._start_wave()
            case "pause":
                self._pause()
            case "resume":
                self._resume()
            case "sleep":
                self.asleep = {"weights", "kv_cache"}
                self.kv.discard()
            case "wake_up":
                self._wake_up(message.tag)
            case "update_weights":
                self.world.allgather(self.total, "update weights")

    def _add_request(self, request: Request | None) -> None:
        """A request of another rank is none of this one's business."""
        if request is not None:
            self.scheduler.waiting.append(request)
            self.running = self.running or not self.paused

    def _start_wave(self) -> None:
        """The coordinator's message that another rank has work. It may come late."""
        habit = self.settings.habits.start_wave
        # Paused together all ranks may ignore it; one that is paused alone may be needed by those that are not yet.
        arm = not self.paused or habit == "always"
        if not self.running:
            detail = f"paused={int(self.paused)}"
            self.recorder.decision(
                "decode.start_wave", f"wave={self.wave}", "start" if arm else "ignore", detail, self.paused
            )
            self.running = arm

    def _pause(self) -> None:
        """At once, or in two phases: keep stepping until all ranks are known to pause."""
        if self.settings.habits.start_wave != "two-phase":
            self.paused = True
        elif not self.paused:
            self.pausing = self.running = True

    def _resume(self) -> None:
        """All ranks start together; a resume of what is not paused is a duplicate and has nobody to wait for."""
        by_running = self.settings.habits.resume == "by-running"
        duplicate = self.running if by_running else not self.paused
        self.resumes += 1
        choice = "return" if duplicate else "synchronize"
        detail = f"paused={int(self.paused)} running={int(self.running)}"
        self.recorder.decision("decode.resume", f"resume={self.resumes}", choice, detail, duplicate and by_running)
        if duplicate:
            return
        self.paused = False
        self.running = any(self.core.allgather(self._unfinished, "resume"))

    def _wake_up(self, tag: str | None) -> None:
        woken = {tag} if tag else set(self.asleep)
        if "kv_cache" in woken & self.asleep:
            self.kv.restore()
        self.asleep -= woken
        if not self.asleep:  # as upstream: whoever is all awake goes on
            self._resume()
