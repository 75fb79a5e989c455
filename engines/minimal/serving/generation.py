"""Generation as in a training script: each rank decodes its own prompts, with nothing between ranks but what a forward has.

As `generate()` of transformers under DeepSpeed's ZeRO-3, then the next phase, where all ranks meet. Sources:
deepspeedai/DeepSpeed#4910, #8262, #8264.
"""

from __future__ import annotations

from lockstep.engines.minimal.base.batch import Batch, padding_row
from lockstep.engines.minimal.base.requests import Request, accept_all, own_requests
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.variants.generate_end import GENERATE_END


class Generation:
    """Decodes this rank's prompts in one batch."""

    equal = True  # as of the executor; there are no graphs here

    def __init__(self, context: RankContext) -> None:
        self.context = context
        self._end = GENERATE_END.of(context.settings)

    def run(self) -> dict[str, list[int]]:
        """The tokens of each request by its id. Ends where all ranks meet: the next phase of training."""
        context = self.context
        requests = own_requests(context.settings, context.tp.rank, context.tp.size)
        self._end.lengthen(requests, max(context.settings.workload.new_tokens, default=0))
        calls = self._end.calls(requests)
        choice, detail = "call" if calls else "skip", f"prompts={len(requests)}"
        context.recorder.decision("decode.generate", "rollout", choice, detail, deviates=not calls)
        if calls:
            self._generate(requests)
        context.recorder.shape("")
        context.world.barrier()
        return {str(request.ident): request.output for request in requests}

    def _generate(self, requests: list[Request]) -> None:
        for request in requests:
            request.blocks = self.context.manager.allocate(len(request.prompt) + request.limit) or []
            request.chunk = request.left
        number = 1
        while self._goes_on(requests, number):
            self._step(requests, number)
            number += 1
        for request in requests:
            self.context.manager.free(request.blocks)

    def _step(self, requests: list[Request], number: int) -> None:
        """One forward of all requests that are not finished, or of padding."""
        engine = self.context.engine
        active = [request for request in requests if not request.finished]
        rows = [request.row(0) for request in active]
        batch = Batch(rows or [padding_row(engine.scratch_block)])
        output = engine.eager(engine.step(batch, (batch.num_tokens,) * self.context.tp.size))
        accept_all(active, rows, output)
        self.context.recorder.milestone(f"step={number}")

    def _goes_on(self, requests: list[Request], number: int) -> bool:
        """Whether there is another step: by everybody's requests."""
        unfinished = sum(not request.finished for request in requests)
        self.context.recorder.shape(f"step={number}")
        self.context.faults.at("decode", f"step={number}")
        return self._end.goes_on(number, unfinished, self.context)
