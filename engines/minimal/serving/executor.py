"""The executor after the warm-up: decodes this rank's requests with the captured graphs, and checks those against eager."""

from __future__ import annotations

import time
from collections.abc import Callable

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.base.requests import Request, accept_all, own_requests
from lockstep.engines.minimal.control.request_feed import RequestFeed
from lockstep.engines.minimal.control.variants.step_broadcast import Broadcast
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.kv.allocation import Allocation, PlainAllocation
from lockstep.engines.minimal.kv.host_tier import HostTier
from lockstep.engines.minimal.kv.prefix_cache import PrefixCache
from lockstep.engines.minimal.serving.grammars import Grammars
from lockstep.engines.minimal.serving.image_encoder import ImageEncoder
from lockstep.engines.minimal.serving.kv_pull import KvPull
from lockstep.engines.minimal.serving.kv_receive import KvReceive
from lockstep.engines.minimal.serving.kv_transfers import Transfers
from lockstep.engines.minimal.serving.remote_kv import RemoteKv
from lockstep.engines.minimal.serving.request_timeouts import RequestTimeouts
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.serving.variants.idle_rank import IDLE_RANK

IDLE_S = 0.002  # a loop with nothing to run leaves the core to others


class Executor:
    """Decodes this rank's requests to the end, in step with its peers.

    `feed`: to the ranks that share this rank's requests; `broadcast`: of the rows of each step; `checkpoint` is called when
    the loop has come round. `equal`: graph and eager gave the same tokens, whenever a graph was used.
    """

    def __init__(
        self, context: RankContext, feed: RequestFeed, broadcast: Broadcast, checkpoint: Callable[[], None] = lambda: None
    ) -> None:
        self.context, self.feed, self.broadcast, self.checkpoint = context, feed, broadcast, checkpoint
        self.scheduler = Scheduler(context, _allocation(context))
        self.grammars = Grammars(context)
        self.timeouts = RequestTimeouts(context)
        self.encoder = ImageEncoder(context)
        self.transfers = Transfers(context)
        self.remote = _remote(context)
        self.idle = IDLE_RANK.of(context.settings)
        self.number = 0  # of the step
        self.equal = True
        self.done: dict[str, list[int]] = {}

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id."""
        arrived = self._begin()
        while self._requests_left(arrived):
            arrived = []
            self._step()
        self._finish()
        return self.done

    def _step(self) -> None:
        """Schedule, run, postprocess, collect."""
        if self._schedule():
            requests = self.scheduler.scheduled
            rows = self._rows(requests)
            output = self._run(rows)
            self._postprocess(requests, rows, output)
            self._collect()

    def _begin(self) -> list[Request]:
        """What is there before the first step; the requests that arrive at this rank."""
        context = self.context
        self.scheduler.allocation.open(context.world)
        arrived: list[Request] = []
        size = context.settings.parallel.attention_tp
        if context.pipeline.first and context.tp.rank % size == 0:
            arrived = own_requests(context.settings, context.tp.rank // size, context.tp.size // size)
        for remote in self.remote:
            remote.prepare(arrived)
        return arrived

    def _requests_left(self, arrived: list[Request]) -> bool:
        """Take new requests in; whether any rank has one left."""
        fresh = self.feed.share(self.context.pipeline.requests(arrived))
        for request in fresh:
            request.arrived_s = self.context.faults.clock.now()
        self.scheduler.waiting += self.grammars.take(fresh)
        return any(self.context.engine.of_all(self.scheduler.left + len(self.grammars.queue), "requests left"))

    def _schedule(self) -> bool:
        """Choose the requests of the next step, and have their KV here; whether this rank takes part in the step."""
        pipeline, scheduler = self.context.pipeline, self.scheduler
        number = self._next()
        scheduler.waiting += self.grammars.ready(number)
        self.timeouts.abort(number, scheduler.waiting)
        scheduler.allocation.begin(number)
        if pipeline.decides:
            scheduler.admit(number)
        pipeline.schedule(number, scheduler.active, scheduler.start)
        self.transfers.check(number, scheduler)
        for remote in self.remote:
            remote.fill(scheduler.scheduled)
        if not scheduler.can_queue(number):
            time.sleep(IDLE_S)
            return False
        return bool(scheduler.left) or self.idle.joins(number, self.context.recorder)

    def _next(self) -> int:
        """The loop has come round: the number of the next step."""
        self.number += 1
        self.checkpoint()
        self.context.recorder.shape(f"step={self.number}")
        self.context.faults.at("decode", f"step={self.number}")
        return self.number

    def _rows(self, requests: list[Request]) -> list[Row]:
        """Their tokens for the next forward, as many rows as the ranks that share them are told."""
        self.encoder.encode(requests)
        rows = [request.row(self.scheduler.draft_len) for request in requests]
        return rows[: self.broadcast.share(len(rows))]

    def _run(self, rows: list[Row]) -> StepOutput:
        """One forward of these rows, or of a dummy."""
        engine = self.context.engine
        batch = Batch(rows or [self.idle.row(1 + self.scheduler.draft_len, engine.scratch_block, self.context.manager)])
        output = engine.forward(batch)
        if not rows:
            self.idle.take(output)
        # Graphs of prompts may be used by some ranks only, and the eager forward needs them all.
        if engine.has_graphs and any(engine.of_all(engine.graph_used, "graph used")):
            self.equal &= engine.forward(batch, graphs=False) == output
        return output

    def _postprocess(self, requests: list[Request], rows: list[Row], output: StepOutput) -> None:
        """What was sampled, on every pipeline stage, for each request."""
        accept_all(requests, rows, self.context.pipeline.output(self.number, requests, output))
        if requests:  # a step of padding is no progress of this rank
            self.context.recorder.milestone(f"step={self.number}")

    def _collect(self) -> None:
        """The requests that are finished."""
        finished = self.scheduler.retire()
        self.done |= {str(request.ident): request.output for request in finished}
        self.transfers.step_done(finished, self.scheduler)

    def _finish(self) -> None:
        """Every block comes back."""
        self.transfers.finish()
        self.scheduler.allocation.clear()
        for remote in self.remote:
            remote.finish()


def _allocation(context: RankContext) -> Allocation:
    """With a prefix cache where blocks are reused."""
    settings, manager, tp = context.settings, context.manager, context.tp
    if not settings.kv.block_reuse:
        return PlainAllocation(settings, manager, tp)
    host = HostTier(settings, context.pool, tp, context.recorder)
    return PrefixCache(settings, manager, tp, context.recorder, host)


def _remote(context: RankContext) -> list[RemoteKv]:
    """What a neighbour or an earlier stage computes, where one does."""
    workload = context.settings.workload
    pull = [KvPull(context)] if workload.pulled else []
    return [*pull, *([KvReceive(context)] if workload.received else [])]
