"""KV receive: the KV of some prompts was computed by an earlier stage; each rank fetches its own part, with a time-out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Container

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.protocols import StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.remote_kv import RemoteKv
from lockstep.engines.minimal.serving.variants.kv_receive import KV_RECEIVE

Content = tuple[list[object], StepOutput]  # the blocks of a prompt, and what the earlier stage made of it


class KvReceive(RemoteKv):
    """What the earlier stage has sent to this rank, by request. The ranks of `tp` have a part of each block each."""

    def __init__(self, context: RankContext) -> None:
        super().__init__(context)
        self.arrived: dict[int, queue.Queue[Content]] = {}
        self._use = KV_RECEIVE.of(context.settings)

    @property
    def expected(self) -> Container[int]:
        """Those that the earlier stage has sent."""
        return self.arrived

    def prepare(self, arrived: list[Request]) -> None:
        """The earlier stage, on the same ranks: compute these prompts, and send the KV of each on its way."""
        context = self.context
        for request in arrived:
            if request.ident not in context.settings.workload.received:
                continue
            blocks = self._blocks(request.ident, request.prompt)
            output = context.engine.forward(Batch([Row(list(request.prompt), 0, blocks, False)]))
            content = ([context.pool.read(block) for block in blocks], output)
            context.manager.free(blocks)
            place = self.arrived[request.ident] = queue.Queue(1)
            thread = threading.Thread(target=self._send, args=(request.ident, content, place), daemon=True)
            thread.start()

    def fetch(self, request: Request) -> StepOutput:
        """What was sent, or the prompt is encoded again."""
        content = self._received(request.ident)
        if not self._use.uses(content is not None, self.context.tp) or content is None:
            return self.context.engine.forward(Batch([request.row(0)]))
        for block, held in zip(request.blocks, content[0], strict=False):
            self.context.pool.write(block, held)
        return content[1]

    def _received(self, ident: int) -> Content | None:
        """What was sent; None, silently as upstream, if it has not come in time."""
        limit = self.context.settings.timeouts.receive_s
        try:
            content = self.arrived.pop(ident).get(timeout=limit)
        except queue.Empty:
            content = None
        choice, detail = "time out" if content is None else "received", f"timeout_s={limit:g}"
        self.context.recorder.decision("decode.kv_receive", f"request={ident}", choice, detail, deviates=content is None)
        return content

    def _send(self, ident: int, content: Content, place: queue.Queue[Content]) -> None:
        self.context.faults.aside("decode", f"kv request={ident}")
        place.put(content)
