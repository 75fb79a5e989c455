"""What the recorder is told of grafted code: its phases, the requests that it makes or does not make, what it ran."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.upstream import Request, Upstream
from lockstep.engines.source.tree.namespace import place
from lockstep.harness.trace.choice import LEFT_OUT


@dataclass(frozen=True, slots=True)
class Notes:
    """Puts itself around the methods that the description names."""

    upstream: Upstream
    bench: Bench

    def wrap(self, name: str, method: Any) -> Any:
        """The method, with what it does noted; anything else as it is."""
        if name in self.upstream.phases and isinstance(method, FunctionType):
            return self._phase(self.upstream.phases[name], method)
        if name in self.upstream.requests and isinstance(method, FunctionType):
            return self._request(self.upstream.requests[name], method)
        return method

    def _phase(self, named: Callable[[Bench], str], method: FunctionType) -> Any:
        @functools.wraps(method)
        def phase(*args: Any, **kwargs: Any) -> Any:
            with self._in(named(self.bench)):
                return method(*args, **kwargs)

        return phase

    @contextmanager
    def _in(self, name: str) -> Iterator[None]:
        bench = self.bench
        if bench.phase == name:
            yield
            return
        outer, bench.phase, bench.requests = bench.phase, name, 0
        bench.entered.append(name)
        try:
            with bench.rank.recorder.phase(name):
                bench.rank.faults.at(name)
                yield
        finally:
            bench.phase = outer

    def _request(self, request: Request, method: FunctionType) -> Any:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def make(*args: Any, **kwargs: Any) -> Any:
            arguments = signature.bind(*args, **kwargs)
            arguments.apply_defaults()
            at = place()
            return self._made(request, arguments.arguments, at, lambda: method(*args, **kwargs))

        return make

    def _made(self, request: Request, given: Mapping[str, Any], at: str, make: Callable[[], Any]) -> Any:
        bench = self.bench
        bench.requests += 1
        try:
            bench.shape = request.label(bench, given)
        except KeyError as error:
            raise Unable(f"missing argument {error} of what makes a request, at {at}") from None
        bench.rank.recorder.shape(bench.shape)
        bench.rank.faults.at(bench.phase, bench.shape)
        free, bench.needed_blocks = bench.rank.manager.free_blocks, None
        batch = make()
        figures = {"free_blocks": free, "needed_blocks": bench.needed_blocks}
        figures |= {name: given[name] for name in request.figures if name in given}
        detail = " ".join(f"{name}={value}" for name, value in figures.items() if value is not None)
        choice = "run" if batch is not None else LEFT_OUT
        site = f"{bench.phase or 'warm_up'}.request"
        bench.rank.recorder.decision(site, bench.shape, choice, f"{detail} at={at}", deviates=batch is None)
        return batch
