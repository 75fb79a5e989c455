"""The scheduler: which requests of this rank run in the next step, by its own free KV blocks."""

from __future__ import annotations

from lockstep.engines.minimal.base.out_of_step import gathered
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.kv.allocation import Allocation
from lockstep.engines.minimal.serving.variants.empty_batch import EMPTY_BATCH


class Scheduler:
    """Requests that wait for room, and those that have it. `draft_len`: of the current step."""

    def __init__(self, context: RankContext, allocation: Allocation) -> None:
        self.context, self.settings, self.allocation = context, context.settings, allocation
        self.waiting: list[Request] = []
        self.active: list[Request] = []
        self.draft_len = 0
        self._empty_batch = EMPTY_BATCH.of(context.settings)

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
        if not self.context.apart:
            # Every rank schedules by its own free blocks, and takes for granted that its peers come to the same.
            full = bool(self.waiting) and len(self.active) < self.settings.max_batch_size
            detail = f"requests={len(self.active)} free_blocks={self.context.manager.free_blocks}"
            choice = "refuse" if full else "all"
            self.context.recorder.decision("decode.admit", f"step={number}", choice, detail, deviates=full)

    def can_queue(self, number: int) -> bool:
        """Upstream's `_can_queue`: a step runs only if every rank has a batch; a rank without requests makes a dummy."""
        manager = self.context.manager
        has_batch = bool(self.scheduled) or not self.left
        stands_in = has_batch or self._empty_batch.pads
        needed = manager.needed(self._tokens(self.waiting[0])) if self.waiting else 0
        detail = f"free_blocks={manager.free_blocks} needed_blocks={needed}"
        choice = "queue" if has_batch else "pad" if stands_in else "wait"
        self.context.recorder.decision("decode.can_queue", f"step={number}", choice, detail, deviates=not has_batch)
        sizes = self.context.engine.of_all(len(self.scheduled) or int(stands_in), "can queue")
        drafts = self.settings.drafts
        # The largest batch decides for all ranks: graphs of one draft length have no peers in those of another.
        with gathered(sizes, "can queue"):
            self.draft_len = drafts.length if drafts.off_above is None or max(sizes) <= drafts.off_above else 0
        return all(sizes)

    def retire(self) -> list[Request]:
        """Take out the requests that are finished, and give their blocks back, if nobody needs them any more."""
        done = [request for request in self.active if request.finished]
        for request in done:
            self.active.remove(request)
            self.allocation.release(request)
        return done

    def start(self, ident: int) -> bool:
        """Start a waiting request that another rank has scheduled, if it has room here too."""
        return self._take(next(request for request in self.waiting if request.ident == ident))

    def _take(self, request: Request) -> bool:
        blocks = self.allocation.start(request, self._tokens(request))
        if blocks is None:
            return False
        request.blocks, request.chunk = blocks, request.left
        self.waiting.remove(request)
        self.active.append(request)
        return True

    def _start(self) -> None:
        tokens = sum(request.left or 1 + self.draft_len for request in self.active)
        self.allocation.prefetch(self.waiting)
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

    def _tokens(self, request: Request) -> int:
        return len(request.prompt) + request.limit + self.settings.drafts.length
