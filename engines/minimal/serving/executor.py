"""The executor after the warm-up: decodes this rank's requests with the captured graphs, and checks those against eager."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator, KvCache
from lockstep.engines.minimal.base.requests import Request, all_prompts, own_requests
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.control.request_feed import RequestFeed
from lockstep.engines.minimal.control.step_broadcast import Broadcast, NoBroadcast
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.kv.host_tier import HostTier
from lockstep.engines.minimal.kv.prefix_cache import PrefixCache
from lockstep.engines.minimal.serving.grammars import Grammars
from lockstep.engines.minimal.serving.idle_batch import count_prompts, last_token
from lockstep.engines.minimal.serving.kv_pull import KvPull
from lockstep.engines.minimal.serving.kv_receive import KvReceive
from lockstep.engines.minimal.serving.kv_transfers import Transfers
from lockstep.engines.minimal.serving.request_timeouts import TimeOuts
from lockstep.engines.minimal.serving.scheduler import Scheduler
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

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
    world: Communicator | None = None  # default: the group is the world
    pool: KvCache | None = None  # needed by what reads or writes blocks
    checkpoint: Callable[[], None] = lambda: None  # the loop has come round
    feed: RequestFeed | None = None  # where some ranks share requests
    broadcast: Broadcast = field(default_factory=NoBroadcast)
    equal: bool = True  # graph and eager gave the same tokens, whenever a graph was used

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id."""
        scheduler = Scheduler(self.settings, self.engine, self.manager, self.tp, self.recorder, cache=self._cache())
        arrived = self._own() if self.pipeline.first else []
        grammars = Grammars(self.settings, self.tp, self.world or self.tp, self.recorder)
        time_outs = TimeOuts(self.settings, self.tp, self.faults.clock, self.recorder)
        transfers = Transfers(self.settings, self.manager, self.pool, self.tp, self.recorder, self.faults)
        done: dict[str, list[int]] = {}
        number = 0
        pull = self._pull()
        agent = pull.prefill(all_prompts(self.settings)) if pull else None
        receive = self._receive()
        if receive:
            receive.encode(arrived)
        while self._goes_on(scheduler, grammars, arrived):
            arrived = []
            number += 1
            self.checkpoint()
            self.recorder.shape(f"step={number}")
            self.faults.at("decode", f"step={number}")
            scheduler.waiting += grammars.ready(number)
            time_outs.abort(number, scheduler.waiting)
            if scheduler.cache:
                scheduler.cache.host.check(number)
            if self.pipeline.decides:
                scheduler.admit(number)
            self.pipeline.schedule(number, scheduler.active, scheduler.start)
            transfers.check(number, scheduler)
            if pull:
                pull.pull(scheduler.scheduled)
            if receive:
                receive.receive(scheduler.scheduled)
            if not scheduler.can_queue(number):
                time.sleep(IDLE_S)
                continue
            if not scheduler.left and self.settings.habits.idle_rank == "skip":
                self.recorder.decision("decode.idle", f"step={number}", "skip", deviates=True)
                continue
            self._encode(scheduler)
            self._step(number, scheduler)
            if scheduler.scheduled:  # a step of padding is no progress of this rank
                self.recorder.milestone(f"step={number}")
            finished = scheduler.retire()
            done |= {str(request.ident): request.output for request in finished}
            if self.settings.workload.context_only:
                transfers.start(finished)
                transfers.reap(wait=bool(scheduler.waiting) and not scheduler.active)
        transfers.finish()
        if scheduler.cache:
            scheduler.cache.clear()
        if pull and agent:
            pull.finish(agent)
        return done

    def _own(self) -> list[Request]:
        """The requests that arrive at this rank."""
        size = self.settings.parallel.attention_tp
        if self.tp.rank % size:
            return []
        return own_requests(self.settings, self.tp.rank // size, self.tp.size // size)

    def _goes_on(self, scheduler: Scheduler, grammars: Grammars, arrived: list[Request]) -> bool:
        """Take new requests in; whether any rank has one left."""
        fresh = self.pipeline.requests(arrived)
        if self.feed:
            fresh = self.feed.share(fresh)
        for request in fresh:
            request.arrived_s = self.faults.clock.now()
        scheduler.waiting += grammars.take(fresh)
        return any(self.engine.of_all(scheduler.left + len(grammars.queue), "requests left"))

    def _cache(self) -> PrefixCache | None:
        """The prefix cache, where blocks are reused."""
        if not self.settings.kv.block_reuse or self.pool is None:
            return None
        quota = self.settings.kv.host_blocks
        if self.settings.habits.host_quota == "min":
            quota = min(map(int, (self.world or self.tp).allgather(quota, "host quota")))
        host = HostTier(self.settings, self.pool, self.tp, self.recorder, quota)
        return PrefixCache(self.settings, self.manager, self.tp, self.recorder, host)

    def _pull(self) -> KvPull | None:
        """What is read from a neighbour, where something is."""
        if not self.settings.workload.pulled or self.pool is None:
            return None
        return KvPull(self.settings, self.engine, self.manager, self.pool, self.tp, self.recorder)

    def _receive(self) -> KvReceive | None:
        """What an earlier stage sends, where one does."""
        if not self.settings.workload.received or self.pool is None:
            return None
        return KvReceive(self.settings, self.engine, self.manager, self.pool, self.tp, self.recorder, self.faults)

    def _encode(self, scheduler: Scheduler) -> None:
        """The encoder of prompts with images. Under attention DP it is this rank's own, whoever it reduces over."""
        images = self.settings.workload.images
        fresh = [request for request in scheduler.scheduled if request.ident in images and not request.encoded]
        for request in fresh:
            request.encoded = True
        if fresh and self.settings.habits.image_split != "tensor" and not self.settings.parallel.attention_dp:
            self._encode_by_image(fresh)
            return
        for request in fresh:
            wide = self.settings.habits.encoder == "global-group"
            if wide and self.settings.parallel.attention_dp:
                self.recorder.decision("decode.encoder", f"request={request.ident}", "reduce", deviates=True)
            # Sharded over the attention group: of one rank under attention DP, else of all, which all have the request.
            self.engine.device.encode(request.ident, request.prompt, wide or not self.settings.parallel.attention_dp)

    def _encode_by_image(self, requests: list[Request]) -> None:
        """Every rank encodes some of the images with the whole encoder, and all exchange what came of it."""
        sharded = self.settings.habits.image_split == "image-but-embedding"
        own = requests[self.tp.rank :: self.tp.size]
        if sharded:
            detail = f"images={len(own)} of={len(requests)}"
            key = " ".join(f"request={request.ident}" for request in requests)
            self.recorder.decision("decode.images", key, "encode" if own else "none", detail, deviates=bool(own))
        for request in own:
            self.engine.device.encode(request.ident, request.prompt, sharded)
        self.tp.allgather([request.ident for request in own], "image features")

    def _step(self, number: int, scheduler: Scheduler) -> None:
        """One forward of all active requests, or of a dummy."""
        requests = scheduler.scheduled
        rows = [request.row(scheduler.draft_len) for request in requests]
        if self.settings.habits.idle_rank == "extend":
            count_prompts(rows)
        rows = rows[: self.broadcast.share(len(rows))]
        idle, rows = not rows, rows or [self._dummy(scheduler.draft_len)]
        output = self.engine.forward(Batch(rows))
        if idle and self.settings.habits.idle_rank == "empty-extend":
            last_token(output, tokens=0)
        # Graphs of prompts may be used by some ranks only, and the eager forward needs them all.
        if self.engine.has_graphs and any(self.engine.of_all(self.engine.graph_used, "graph used")):
            again = self.engine.forward(Batch(rows), graphs=False)
            self.equal &= again == output
        output = self.pipeline.output(number, requests, output)
        at = 0
        for request, row in zip(requests, rows, strict=False):
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
