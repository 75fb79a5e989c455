"""Stand-ins: what grafted code touches and we provide. What one does not have, or is not called for, ends the run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from engines.minimal.unable import Unable
from engines.source.namespace import missing, place


class StandIn:
    """Has the attributes that it is given, and its class's. Any other is a missing name, also for `getattr` with a default:
    nobody knows here what upstream's own object would answer."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def __init_subclass__(cls) -> None:
        for name, value in list(vars(cls).items()):
            if inspect.isfunction(value) and not name.startswith("__"):
                setattr(cls, name, offered(value))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise missing(f"{type(self).__name__}.{name}")


def offered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that grafted code may call: with arguments that it does not take, it is another function than ours."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise Unable(f"{function.__qualname__} at {place()}: {error}") from None
        return function(*args, **kwargs)

    return checked


def absent(name: str) -> type:
    """A class of which our engine has no instance: `isinstance` says no, and nobody can make one."""

    def refuse(cls: type, *args: Any, **kwargs: Any) -> Any:
        raise missing(f"{name}()")

    return type(name, (), {"__new__": refuse})
