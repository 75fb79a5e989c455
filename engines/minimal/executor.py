"""The executor after the warm-up: schedules requests, decodes them with the captured graphs, checks those against eager."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.minimal.batch import Batch, Row
from engines.minimal.block_manager import BlockManager
from engines.minimal.faults import Faults
from engines.minimal.model_engine import ModelEngine
from engines.minimal.protocols import Communicator
from engines.minimal.settings import Settings
from harness.trace import Recorder

VOCABULARY = 128
IDLE_S = 0.002  # a loop with nothing to run leaves the core to others


@dataclass(slots=True)
class Request:
    """A prompt and what was decoded of it. `computed` tokens have their keys and values in the pool."""

    ident: int
    prompt: list[int]
    limit: int
    output: list[int] = field(default_factory=list)
    drafts: list[int] = field(default_factory=list)
    computed: int = 0
    blocks: list[int] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether all its tokens are decoded."""
        return len(self.output) >= self.limit

    def row(self, draft_len: int) -> Row:
        """Its tokens for the next forward: the whole prompt, or the last token and so many drafts after it."""
        if not self.output:
            return Row(list(self.prompt), 0, self.blocks, False)
        self.drafts = self.drafts[:draft_len]
        return Row([self.output[-1], *self.drafts], self.computed, self.blocks, True)

    def accept(self, next_tokens: Sequence[int], drafts: Sequence[Sequence[int]]) -> None:
        """Take what a forward gave for this row: the token, and every draft that turned out right."""
        if not self.output:
            self.computed = len(self.prompt)
            taken = len(next_tokens) - 1
            self.output.append(next_tokens[taken])
        else:
            taken = 0
            while taken < len(self.drafts) and self.drafts[taken] == next_tokens[taken]:
                taken += 1
            self.output += next_tokens[: taken + 1]
            self.computed += taken + 1
        self.output = self.output[: self.limit]
        self.drafts = list(drafts[taken])


@dataclass(slots=True)
class Executor:
    """Decodes this rank's requests to the end, in step with its peers."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    tp: Communicator
    recorder: Recorder
    faults: Faults
    equal: bool = True  # graph and eager gave the same tokens, whenever a graph was used
    draft_len: int = 0  # of the current step

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id."""
        waiting = self._requests()
        active: list[Request] = []
        done: dict[str, list[int]] = {}
        number = 0
        while not self._all_done(len(waiting) + len(active)):
            number += 1
            self.recorder.shape(f"step={number}")
            self.faults.at("decode", f"step={number}")
            self._admit(number, waiting, active)
            self._check_transfers(number, waiting, active)
            if not self._can_queue(number, waiting, active):
                time.sleep(IDLE_S)
                continue
            if not active and self.settings.habits.idle_rank == "skip":
                self.recorder.decision("decode.idle", f"step={number}", "skip", deviates=True)
                continue
            self._step(active)
            for request in [request for request in active if request.finished]:
                active.remove(request)
                self.manager.free(request.blocks)
                done[str(request.ident)] = request.output
            self.recorder.milestone(f"step={number}")
        return done

    def _requests(self) -> list[Request]:
        """This rank's share: dealt round robin under attention DP, all of them otherwise."""
        chance = random.Random(self.settings.seed)
        found: list[Request] = []
        for ident in range(self.settings.requests):
            prompt = [chance.randrange(VOCABULARY) for _ in range(self.settings.prompt_tokens)]
            if not self.settings.parallel.attention_dp or ident % self.tp.size == self.tp.rank:
                found.append(Request(ident, prompt, self.settings.new_tokens))
        return found

    def _all_done(self, left: int) -> bool:
        return not any(self.engine.of_all(left, "requests left"))

    def _admit(self, number: int, waiting: list[Request], active: list[Request]) -> None:
        """Start requests while there is room for all their tokens."""
        self._start(waiting, active)
        if not self.settings.parallel.attention_dp:
            # Every rank schedules by its own free blocks, and takes for granted that its peers come to the same.
            full = bool(waiting) and len(active) < self.settings.max_batch_size
            detail = f"requests={len(active)} free_blocks={self.manager.free_blocks}"
            self.recorder.decision("decode.admit", f"step={number}", "refuse" if full else "all", detail, deviates=full)

    def _start(self, waiting: list[Request], active: list[Request]) -> None:
        tokens = sum(len(request.row(self.draft_len).tokens) for request in active)
        while waiting and len(active) < self.settings.max_batch_size:
            tokens += len(waiting[0].prompt)
            if tokens > self.settings.max_num_tokens:
                return  # the next step has no room for this prompt
            blocks = self.manager.allocate(self._tokens(waiting[0]))
            if blocks is None:
                return
            request = waiting.pop(0)
            request.blocks = blocks
            active.append(request)

    def _tokens(self, request: Request) -> int:
        return len(request.prompt) + request.limit + self.settings.draft_len

    def _can_queue(self, number: int, waiting: list[Request], active: list[Request]) -> bool:
        """Upstream's `_can_queue`: a step runs only if every rank has a batch; a rank without requests makes a dummy."""
        idle = not waiting and not active
        has_batch = bool(active) or idle
        needed = self.manager.needed(self._tokens(waiting[0])) if waiting else 0
        detail = f"free_blocks={self.manager.free_blocks} needed_blocks={needed}"
        choice = "queue" if has_batch else "wait"
        self.recorder.decision("decode.can_queue", f"step={number}", choice, detail, deviates=not has_batch)
        sizes = self.engine.of_all(len(active) + idle, "can queue")
        limit = self.settings.draft_off_above
        # The largest batch decides for all ranks: graphs of one draft length have no peers in those of another.
        self.draft_len = self.settings.draft_len if limit is None or max(sizes) <= limit else 0
        return all(sizes)

    def _check_transfers(self, number: int, waiting: list[Request], active: list[Request]) -> None:
        """A status that all ranks exchange; behind a gate only those come that the gate lets through."""
        stuck = bool(waiting) and not active
        if self.settings.habits.transfer_check == "gated":
            choice = "check" if stuck else "go on"
            self.recorder.decision("decode.transfer_check", f"step={number}", choice, deviates=stuck)
        if self.settings.habits.transfer_check == "always" or (self.settings.habits.transfer_check == "gated" and stuck):
            self.tp.allgather("done", "transfer status")

    def _dummy(self) -> Row:
        """A row of padding, so that the peers find this rank in their collectives."""
        tokens = [0] * (1 + self.draft_len)
        if self.settings.habits.idle_rank != "allocate":
            return Row(tokens, 0, [self.engine.scratch_block], True)
        blocks: Any = self.manager.allocate(len(tokens))
        row = Row(tokens, 0, [blocks[0]], True)  # as upstream, which takes for granted that there is one (#17978)
        self.manager.free(blocks)
        return row

    def _encode(self, active: list[Request]) -> None:
        """The encoder of prompts with images. Under attention DP it is this rank's own, whoever it reduces over."""
        for request in active:
            if request.output or request.ident not in self.settings.images:
                continue
            wide = self.settings.habits.encoder == "global-group"
            if wide and self.settings.parallel.attention_dp:
                self.recorder.decision("decode.encoder", f"request={request.ident}", "reduce", deviates=True)
            # Sharded over the attention group: of one rank under attention DP, else of all, which all have the request.
            self.engine.device.encode(request.ident, request.prompt, wide or not self.settings.parallel.attention_dp)

    def _step(self, active: list[Request]) -> None:
        self._encode(active)
        rows = [request.row(self.draft_len) for request in active] or [self._dummy()]
        output = self.engine.forward(Batch(rows))
        # Graphs of prompts may be used by some ranks only, and the eager forward needs them all.
        if self.engine.has_graphs and any(self.engine.of_all(self.engine.graph_used, "graph used")):
            again = self.engine.forward(Batch(rows), graphs=False)
            self.equal &= again == output
        at = 0
        for request, row in zip(active, rows, strict=False):
            end = at + len(row.tokens)
            request.accept(output.next_tokens[at:end], output.drafts[at:end])
            at = end
