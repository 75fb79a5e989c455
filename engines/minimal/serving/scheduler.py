"""The scheduler: which requests of this rank run in the next step, by its own free KV blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.kv.prefix_cache import PrefixCache
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class Scheduler:
    """Requests that wait for room, and those that have it."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    tp: Communicator
    recorder: Recorder
    waiting: list[Request] = field(default_factory=list)
    active: list[Request] = field(default_factory=list)
    draft_len: int = 0  # of the current step
    cache: PrefixCache | None = None

    @property
    def left(self) -> int:
        """Requests that are not finished."""
        return len(self.waiting) + len(self.active)

    @property
    def stuck(self) -> bool:
        """Whether there are requests and none of them fits."""
        return bool(self.waiting) and not self.active

    @property
    def scheduled(self) -> list[Request]:
        """The requests of the next step: with chunked prefill not all that are active."""
        return [request for request in self.active if request.output or request.chunk]

    def admit(self, number: int) -> None:
        """Start requests while there is room for all their tokens."""
        self._start()
        self._chunk()
        if not self.settings.parallel.attention_dp:
            # Every rank schedules by its own free blocks, and takes for granted that its peers come to the same.
            full = bool(self.waiting) and len(self.active) < self.settings.max_batch_size
            detail = f"requests={len(self.active)} free_blocks={self.manager.free_blocks}"
            self.recorder.decision("decode.admit", f"step={number}", "refuse" if full else "all", detail, deviates=full)

    def can_queue(self, number: int) -> bool:
        """Upstream's `_can_queue`: a step runs only if every rank has a batch; a rank without requests makes a dummy."""
        idle = not self.left
        pad = not idle and not self.scheduled and self.settings.habits.empty_batch == "pad"
        has_batch = bool(self.scheduled) or idle
        needed = self.manager.needed(self._tokens(self.waiting[0])) if self.waiting else 0
        detail = f"free_blocks={self.manager.free_blocks} needed_blocks={needed}"
        choice = "queue" if has_batch else "pad" if pad else "wait"
        self.recorder.decision("decode.can_queue", f"step={number}", choice, detail, deviates=not has_batch)
        sizes = self.engine.of_all(len(self.scheduled) or int(idle or pad), "can queue")
        limit = self.settings.drafts.off_above
        # The largest batch decides for all ranks: graphs of one draft length have no peers in those of another.
        self.draft_len = self.settings.drafts.length if limit is None or max(sizes) <= limit else 0
        return all(sizes)

    def retire(self) -> list[Request]:
        """Take out the requests that are finished, and give their blocks back, if nobody needs them any more."""
        done = [request for request in self.active if request.finished]
        for request in done:
            self.active.remove(request)
            if self.cache:
                self.cache.release(request)
            elif not self._guest and not self.settings.workload.context_only:
                self.manager.free(request.blocks)
        return done

    def start(self, ident: int) -> bool:
        """Start a waiting request that another rank has scheduled, if it has room here too."""
        request = next(request for request in self.waiting if request.ident == ident)
        return self._take(request)

    def _take(self, request: Request) -> bool:
        blocks = self._blocks(request)
        if blocks is None:
            return False
        request.blocks, request.chunk = blocks, request.left
        self.waiting.remove(request)
        self.active.append(request)
        return True

    def _start(self) -> None:
        tokens = sum(request.left or 1 + self.draft_len for request in self.active)
        if self.cache and self.settings.habits.prefetch_check == "all-waiting":
            for request in self.waiting:
                self.cache.progress(request)
        while self.waiting and len(self.active) < self.settings.max_batch_size:
            tokens += 1 if self.settings.chunked_prefill else len(self.waiting[0].prompt)
            if tokens > self.settings.max_num_tokens:
                return  # the next step has no room for this prompt
            if not self._take(self.waiting[0]):
                return

    def _chunk(self) -> None:
        """How much of each prompt runs in the next step: all of it, or what of it the step has room for."""
        if not self.settings.chunked_prefill:
            return
        room = self.settings.max_num_tokens - sum(1 + self.draft_len for request in self.active if request.output)
        for request in self.active:
            if not request.output:
                request.chunk = min(request.left, max(0, room))
                room -= request.chunk

    @property
    def _guest(self) -> bool:
        """Whether another rank says which blocks are used here."""
        shared = self.settings.habits.block_ids == "first-rank" and not self.settings.parallel.attention_dp
        return shared and self.tp.rank != 0

    def _blocks(self, request: Request) -> list[int] | None:
        """Blocks for all its tokens, or None. With one rank that hands them out for all, by that rank's pool."""
        if self.cache:
            if self.settings.habits.prefetch_check == "until-full":
                self.cache.progress(request)
            return self.cache.start(request, self._tokens(request))
        blocks = None if self._guest else self.manager.allocate(self._tokens(request))
        if self.settings.habits.block_ids == "first-rank" and not self.settings.parallel.attention_dp:
            given: list[int] | None = self.tp.broadcast(blocks, 0, "block ids")
            return given
        return blocks

    def _tokens(self, request: Request) -> int:
        return len(request.prompt) + request.limit + self.settings.drafts.length
