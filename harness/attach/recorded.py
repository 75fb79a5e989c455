"""Puts what is written down around a call of the program, and keeps an error of ours from becoming one of the program's."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from lockstep.harness.attach import recording

Function = Callable[..., Any]


class Call(Protocol):
    """One call of the program that is written down. Its beginning was; this writes its end."""

    def ended(self, result: Any) -> None:
        """The call has returned."""

    def failed(self, error: BaseException) -> None:
        """The call has raised."""


Prepare = Callable[[tuple[Any, ...], dict[str, Any]], Call | None]


def recorded(original: Function, prepare: Prepare) -> Function:
    """`original`, with `prepare` called before it: that writes the beginning, or gives None where nothing is to be written.

    It may add to the arguments by name. Whatever goes wrong on our side makes the process opaque: between the event and the
    call, or the call and its event, the rank would be believed in a wait that it is not in.
    """

    @functools.wraps(original)
    def call(*arguments: Any, **named: Any) -> Any:
        begun = None
        started = False
        try:
            try:
                begun = prepare(arguments, named)
            except Exception as error:
                _give_up(original, error)
                if _of_a_signal(error.__traceback__):
                    raise
            started = True
            result = original(*arguments, **named)
        except BaseException as error:
            if begun is not None:
                _close(original, begun.failed, error)
            elif not started:
                _give_up(original, error)
            raise
        if begun is not None:
            _close(original, begun.ended, result)
        return result

    CODES.add(call.__code__)  # type: ignore[attr-defined]
    return call


CODES: set[Any] = set()  # of `call`: a thread that is in the library and in no Python code has it innermost


def _close(original: Function, end: Callable[[Any], None], value: Any) -> None:
    try:
        end(value)
    except Exception as error:
        _give_up(original, error)
        if _of_a_signal(error.__traceback__):
            raise
    except BaseException as error:
        _give_up(original, error)
        raise


def _give_up(original: Function, error: BaseException) -> None:
    name = getattr(original, "__name__", "an operation")
    recording.opaque(f"{name} could not be recorded: {type(error).__name__}: {error}")


def _of_a_signal(traceback: TracebackType | None) -> bool:
    """Whether a handler of the program raised it, which by chance ran while our code did: then it is the program's."""
    codes = set()
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        codes.add(getattr(handler, "__code__", getattr(type(handler).__call__, "__code__", None)))
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False
