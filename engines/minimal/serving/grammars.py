"""Grammars: requests with structured output wait until theirs is compiled, and ranks agree on how many are ready."""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.serving.variants.grammar_sync import GRAMMAR_SYNC


class Grammars:
    """The queue of requests whose grammar is being compiled."""

    def __init__(self, context: RankContext) -> None:
        self.context = context
        self.queue: list[tuple[Request, Future[Any]]] = []
        self._sync = GRAMMAR_SYNC.of(context.settings)

    def take(self, requests: list[Request]) -> list[Request]:
        """Queue those with a grammar; the others."""
        structured = [request for request in requests if request.ident in self.context.settings.workload.grammars]
        if structured:
            with ThreadPoolExecutor(1, "grammar") as compiler:
                self.queue += [(request, compiler.submit(_compile, request.ident)) for request in structured]
        return [request for request in requests if request not in structured]

    def ready(self, number: int) -> list[Request]:
        """Those that may be scheduled now: as many as are ready on any rank that has them too."""
        self._sync.note(number, bool(self.queue), self.context)
        if not self.queue:
            return []
        count = max(self._sync.counts(sum(grammar.done() for _, grammar in self.queue), self.context))
        taken, self.queue = self.queue[:count], self.queue[count:]
        for _, grammar in taken:
            grammar.result()
        return [request for request, _ in taken]


def _compile(ident: int) -> re.Pattern[str]:
    """The grammar of a request: an object with its number."""
    return re.compile(rf'\{{"request": {ident}, "answer": "(?:[^"\\]|\\.)*"\}}')
