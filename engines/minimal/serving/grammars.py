"""Grammars: requests with structured output wait until theirs is compiled, and ranks agree on how many are ready.

Source: sgl-project/sglang#3600, where that agreement is an all-reduce over all ranks, under attention DP too.
"""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class Grammars:
    """The queue of requests whose grammar is being compiled. `tp`: the ranks of the group, `world`: all ranks."""

    settings: Settings
    tp: Communicator
    world: Communicator
    recorder: Recorder
    queue: list[tuple[Request, Future[Any]]] = field(default_factory=list)

    def take(self, requests: list[Request]) -> list[Request]:
        """Queue those with a grammar; the others."""
        structured = [request for request in requests if request.ident in self.settings.workload.grammars]
        if structured:
            with ThreadPoolExecutor(1, "grammar") as compiler:
                self.queue += [(request, compiler.submit(_compile, request.ident)) for request in structured]
        return [request for request in requests if request not in structured]

    def ready(self, number: int) -> list[Request]:
        """Those that may be scheduled now: as many as are ready on any rank that has them too."""
        attention_dp = self.settings.parallel.attention_dp
        wide = self.settings.habits.grammar_sync == "global-group"
        if wide and attention_dp and self.settings.workload.grammars:
            choice = "meet" if self.queue else "pass"
            self.recorder.decision("decode.grammars", f"step={number}", choice, deviates=bool(self.queue))
        if not self.queue:
            return []
        count = sum(grammar.done() for _, grammar in self.queue)
        group = self.world if wide else self.tp
        counts = [count] if attention_dp and not wide else group.allgather(count, "ready grammars")
        taken, self.queue = self.queue[: max(counts)], self.queue[max(counts) :]
        for _, grammar in taken:
            grammar.result()
        return [request for request, _ in taken]


def _compile(ident: int) -> re.Pattern[str]:
    """The grammar of a request: an object with its number."""
    return re.compile(rf'\{{"request": {ident}, "answer": "(?:[^"\\]|\\.)*"\}}')
