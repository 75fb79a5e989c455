"""Keeps an error of ours from becoming one of the program's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lockstep.harness.attach import recording

Function = Callable[..., Any]


def shielded(original: Function) -> Callable[[Function], Function]:
    """A wrapper of `original`, which it gets as its first argument and is to call once.

    What goes wrong before that call makes the process opaque, and the original is called as if there were no wrapper.
    """

    def decorate(wrapper: Function) -> Function:
        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            called = False

            def real(*given: Any, **by_name: Any) -> Any:
                nonlocal called
                called = True
                return original(*given, **by_name)

            try:
                return wrapper(real, *arguments, **named)
            except Exception as error:
                if called:
                    raise
                name = getattr(original, "__name__", "an operation")
                recording.opaque(f"{name} could not be recorded: {type(error).__name__}: {error}")
                return original(*arguments, **named)

        return call

    return decorate
