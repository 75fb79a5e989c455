"""The executor after the warm-up: decodes this rank's requests with the captured graphs, and checks those against eager."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from engines.minimal.batch import Batch, Row
from engines.minimal.block_manager import BlockManager
from engines.minimal.faults import Faults
from engines.minimal.model_engine import ModelEngine
from engines.minimal.pipeline import Pipeline
from engines.minimal.protocols import Communicator
from engines.minimal.requests import Request, own_requests
from engines.minimal.scheduler import Scheduler
from engines.minimal.settings import Settings
from harness.trace import Recorder

IDLE_S = 0.002  # a loop with nothing to run leaves the core to others


@dataclass(slots=True)
class Executor:
    """Decodes this rank's requests to the end, in step with its peers."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    tp: Communicator
    recorder: Recorder
    faults: Faults
    pipeline: Pipeline
    equal: bool = True  # graph and eager gave the same tokens, whenever a graph was used

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id."""
        scheduler = Scheduler(self.settings, self.engine, self.manager, self.recorder)
        arrived = own_requests(self.settings, self.tp.rank, self.tp.size) if self.pipeline.first else []
        done: dict[str, list[int]] = {}
        number = 0
        while self._goes_on(scheduler, arrived):
            arrived = []
            number += 1
            self.recorder.shape(f"step={number}")
            self.faults.at("decode", f"step={number}")
            if self.pipeline.decides:
                scheduler.admit(number)
            self.pipeline.schedule(number, scheduler.active, scheduler.start)
            self._check_transfers(number, scheduler)
            if not scheduler.can_queue(number):
                time.sleep(IDLE_S)
                continue
            if not scheduler.active and self.settings.habits.idle_rank == "skip":
                self.recorder.decision("decode.idle", f"step={number}", "skip", deviates=True)
                continue
            self._encode(scheduler)
            self._step(number, scheduler)
            done |= {str(request.ident): request.output for request in scheduler.retire()}
            self.recorder.milestone(f"step={number}")
        return done

    def _goes_on(self, scheduler: Scheduler, arrived: list[Request]) -> bool:
        """Take new requests in; whether any rank has one left."""
        scheduler.waiting += self.pipeline.requests(arrived)
        return any(self.engine.of_all(scheduler.left, "requests left"))

    def _check_transfers(self, number: int, scheduler: Scheduler) -> None:
        """A status that all ranks exchange; behind a gate only those come that the gate lets through."""
        habit = self.settings.habits.transfer_check
        if habit == "gated":
            choice = "check" if scheduler.stuck else "go on"
            self.recorder.decision("decode.transfer_check", f"step={number}", choice, deviates=scheduler.stuck)
        if habit == "always" or (habit == "gated" and scheduler.stuck):
            self.tp.allgather("done", "transfer status")

    def _encode(self, scheduler: Scheduler) -> None:
        """The encoder of prompts with images. Under attention DP it is this rank's own, whoever it reduces over."""
        for request in scheduler.active:
            if request.output or request.ident not in self.settings.images:
                continue
            wide = self.settings.habits.encoder == "global-group"
            if wide and self.settings.parallel.attention_dp:
                self.recorder.decision("decode.encoder", f"request={request.ident}", "reduce", deviates=True)
            # Sharded over the attention group: of one rank under attention DP, else of all, which all have the request.
            self.engine.device.encode(request.ident, request.prompt, wide or not self.settings.parallel.attention_dp)

    def _step(self, number: int, scheduler: Scheduler) -> None:
        """One forward of all active requests, or of a dummy."""
        rows = [request.row(scheduler.draft_len) for request in scheduler.active] or [self._dummy(scheduler.draft_len)]
        output = self.engine.forward(Batch(rows))
        # Graphs of prompts may be used by some ranks only, and the eager forward needs them all.
        if self.engine.has_graphs and any(self.engine.of_all(self.engine.graph_used, "graph used")):
            again = self.engine.forward(Batch(rows), graphs=False)
            self.equal &= again == output
        output = self.pipeline.output(number, scheduler.active, output)
        at = 0
        for request, row in zip(scheduler.active, rows, strict=False):
            end = at + len(row.tokens)
            request.accept(output.next_tokens[at:end], output.drafts[at:end])
            at = end

    def _dummy(self, draft_len: int) -> Row:
        """A row of padding, so that the peers find this rank in their collectives."""
        tokens = [0] * (1 + draft_len)
        if self.settings.habits.idle_rank != "allocate":
            return Row(tokens, 0, [self.engine.scratch_block], True)
        blocks: Any = self.manager.allocate(len(tokens))
        row = Row(tokens, 0, [blocks[0]], True)  # as upstream, which takes for granted that there is one (#17978)
        self.manager.free(blocks)
        return row
