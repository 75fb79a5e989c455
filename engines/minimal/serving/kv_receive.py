"""KV receive: the KV of some prompts was computed by an earlier stage; each rank fetches its own part, with a time-out.

Source: vllm-project/vllm-omni#5636, where a rank that gets nothing in time encodes the prompt again by itself.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.batch import Batch, Row
from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator, KvCache, StepOutput
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

Content = tuple[list[object], StepOutput]  # the blocks of a prompt, and what the earlier stage made of it


@dataclass(slots=True)
class KvReceive:
    """What the earlier stage has sent to this rank, by request. The ranks of `tp` have a part of each block each."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    pool: KvCache
    tp: Communicator
    recorder: Recorder
    faults: Faults
    arrived: dict[int, queue.Queue[Content]] = field(default_factory=dict)

    def encode(self, requests: list[Request]) -> None:
        """The earlier stage, on the same ranks: compute these prompts, and send the KV of each on its way."""
        for request in requests:
            if request.ident not in self.settings.workload.received:
                continue
            blocks = self.manager.allocate(len(request.prompt))
            if blocks is None:
                raise MemoryError(f"{self.manager.free_blocks} free blocks do not hold prompt {request.ident}")
            output = self.engine.forward(Batch([Row(list(request.prompt), 0, blocks, False)]))
            content = ([self.pool.read(block) for block in blocks], output)
            self.manager.free(blocks)
            place = self.arrived[request.ident] = queue.Queue(1)
            thread = threading.Thread(target=self._send, args=(request.ident, content, place), daemon=True)
            thread.start()

    def receive(self, requests: list[Request]) -> None:
        """Fill the blocks of requests that have just been scheduled with what was sent, or encode their prompts again."""
        for request in requests:
            if request.ident in self.arrived:
                content = self._fetch(request.ident)
                if not self._usable(content is not None):
                    content = None
                if content is None:
                    row = request.row(0)
                    output = self.engine.forward(Batch([row]))
                else:
                    for block, held in zip(request.blocks, content[0], strict=False):
                        self.pool.write(block, held)
                    output = content[1]
                request.accept(output.next_tokens, output.drafts)

    def _fetch(self, ident: int) -> Content | None:
        """What was sent; None, silently as upstream, if it has not come in time."""
        limit = self.settings.timeouts.receive_s
        try:
            content = self.arrived.pop(ident).get(timeout=limit)
        except queue.Empty:
            content = None
        choice = "time out" if content is None else "received"
        detail = f"timeout_s={limit:g}"
        self.recorder.decision("decode.kv_receive", f"request={ident}", choice, detail, deviates=content is None)
        return content

    def _usable(self, own: bool) -> bool:
        """All ranks use what they got, or none does; or each goes by its own."""
        if self.settings.habits.kv_receive == "own":
            return own
        return all(self.tp.allgather(own, "kv received"))

    def _send(self, ident: int, content: Content, place: queue.Queue[Content]) -> None:
        self.faults.aside("decode", f"kv request={ident}")
        place.put(content)
