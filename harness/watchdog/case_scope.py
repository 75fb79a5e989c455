"""The scope of a case: all that it opens and starts, ended in the reverse order whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TypeVar

from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.verdict import Finding

T = TypeVar("T")


class CaseScope:
    """A context manager. No end keeps the others from being tried: one that fails is a finding, as is what an end finds.

    `failed`: an exception (Ctrl-C too) ends the scope, and not a verdict.
    """

    def __init__(self) -> None:
        self.failed = False
        self.findings: list[Finding] = []
        self._stack = ExitStack()

    def __enter__(self) -> CaseScope:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.failed = error is not None
        self._stack.__exit__(kind, error, tb)

    def open(self, resource: AbstractContextManager[T]) -> T:
        """Enter a context manager, and leave it with the scope."""
        return self._stack.enter_context(resource)

    def ends_with(self, what: str, end: Callable[[], Iterable[Finding] | None]) -> None:
        """Call `end` when the scope ends. `what`: of which it is the end, in words."""
        self._stack.callback(self._end, what, end)

    def _end(self, what: str, end: Callable[[], Iterable[Finding] | None]) -> None:
        guarded = Guarded()
        self.findings += guarded(f"the end of {what}", lambda: [*(end() or ())], [])
        self.findings += guarded.findings
