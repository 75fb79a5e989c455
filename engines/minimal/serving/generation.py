"""Generation as in a training script: each rank decodes its own prompts, with nothing between ranks but what a forward has.

As `generate()` of transformers under DeepSpeed's ZeRO-3, then the next phase, where all ranks meet. Sources:
deepspeedai/DeepSpeed#4910, #8262, #8264.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request, own_requests
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class Generation:
    """Decodes this rank's prompts in one batch."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    tp: Communicator
    world: Communicator
    recorder: Recorder
    faults: Faults
    equal: bool = True  # as of the executor; there are no graphs here

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id. Ends where all ranks meet: the next phase of training."""
        requests = own_requests(self.settings, self.tp.rank, self.tp.size)
        habit = self.settings.habits.generate_end
        if habit == "max-length":  # no token ends a request
            for request in requests:
                request.limit = max(self.settings.workload.new_tokens)
        calls = bool(requests) or habit == "synced"
        choice, detail = "call" if calls else "skip", f"prompts={len(requests)}"
        self.recorder.decision("decode.generate", "rollout", choice, detail, deviates=not calls)
        if calls:
            self._generate(requests)
        self.recorder.shape("")
        self.world.barrier()
        return {str(request.ident): request.output for request in requests}

    def _generate(self, requests: list[Request]) -> None:
        for request in requests:
            request.blocks = self.manager.allocate(len(request.prompt) + request.limit) or []
            request.chunk = request.left
        step = 0
        while self._goes_on(requests, step + 1):
            step += 1
            active = [request for request in requests if not request.finished]
            rows = [request.row(0) for request in active] or [Row([0], 0, [self.engine.scratch_block], True)]
            batch = Batch(rows)
            output = self.engine.eager(self.engine.step(batch, (batch.num_tokens,) * self.tp.size))
            at = 0
            for request, row in zip(active, rows, strict=False):
                end = at + len(row.tokens)
                request.accept(output.next_tokens[at:end], output.drafts[at:end])
                at = end
            self.recorder.milestone(f"step={step}")
        for request in requests:
            self.manager.free(request.blocks)

    def _goes_on(self, requests: list[Request], step: int) -> bool:
        """Whether there is another step: by this rank's own requests, or by everybody's."""
        unfinished = sum(not request.finished for request in requests)
        self.recorder.shape(f"step={step}")
        self.faults.at("decode", f"step={step}")
        if self.settings.habits.generate_end == "synced":
            return any(self.tp.allgather(unfinished, "unfinished"))
        choice = "go on" if unfinished else "leave"
        self.recorder.decision("decode.generate_end", f"step={step}", choice, f"unfinished={unfinished}", not unfinished)
        return bool(unfinished)
