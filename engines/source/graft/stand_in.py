"""Stand-ins: what grafted code touches and we provide. What one does not have, or is not called for, ends the run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from lockstep.engines.minimal.base.unable import Unable
from lockstep.engines.source.tree.namespace import missing, place


class StandIn:
    """Has the attributes that it is given, and its class's. Any other is a missing name, also for `getattr` with a default:
    nobody knows here what upstream's own object would answer. `called`: what it is in messages."""

    def __init__(self, called: str = "", /, **attributes: Any) -> None:
        called = called or type(self).__name__
        functions = {name: value for name, value in attributes.items() if inspect.isfunction(value)}
        offers = {name: offered(value, f"{called}.{name}") for name, value in functions.items()}
        vars(self).update(attributes | offers, _called=called)

    def __init_subclass__(cls) -> None:
        for name, value in list(vars(cls).items()):
            if inspect.isfunction(value) and not name.startswith("__"):
                setattr(cls, name, offered(value))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise missing(f"{vars(self)['_called']}.{name}")


def offered(function: Callable[..., Any], called: str = "") -> Callable[..., Any]:
    """A function that grafted code may call: with arguments that it does not take, it is another function than ours."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise Unable(f"{called or function.__qualname__} at {place()}: {error}") from None
        return function(*args, **kwargs)

    return checked


class Absent(type):
    """A class of which our engine has no instance: `isinstance` says no; nobody can make one, or ask it for anything."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Not made."""
        raise missing(f"{cls.__name__}()")

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise missing(f"{cls.__name__}.{name}")


def absent(name: str) -> type:
    """The class of this name, of which there is nothing."""
    return Absent(name, (), {})
