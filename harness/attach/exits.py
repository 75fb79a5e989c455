"""How children of multiprocessing end: what they raise is caught there, and seen nowhere else."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import recording

_started = os.getpid()


def wrap_process(module: ModuleType) -> None:
    """multiprocessing catches what its children raise, prints it, and ends them with status 1."""
    process = module.BaseProcess
    original = process._bootstrap

    @functools.wraps(original)
    def bootstrap(self: Any, *arguments: Any, **named: Any) -> Any:
        self.run = _guarded(self.run)
        code = original(self, *arguments, **named)
        found = recording.existing()
        if found is not None:
            found.ending.exit_code = code or 0
            if os.getpid() != _started:  # forked: it ends without its exit handlers
                found.ending.finish()
        return code

    process._bootstrap = bootstrap


def wrap_spawn(module: ModuleType) -> None:
    """torch.multiprocessing.spawn hands its children's exceptions to the parent and ends them with status 1."""
    original = module._wrap

    @functools.wraps(original)
    def wrap(fn: Callable[..., Any], *arguments: Any) -> Any:
        return original(_guarded(fn), *arguments)

    module._wrap = wrap  # type: ignore[attr-defined]


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:
            found = recording.existing()
            if found is not None:
                found.ending.uncaught(error)
            raise

    return guarded
