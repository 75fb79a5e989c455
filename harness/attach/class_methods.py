"""Gives methods of a class that cannot be changed (one of a compiled module) another body, in place.

The class stays the same object: its instances, its subclasses, pickles and isinstance are as they were, and whoever calls a
method, through an instance, a subclass or the class itself, comes by here.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


def replace(kind: Any, name: str, wrap: Callable[[Function], Function]) -> None:
    """Replace the method `name` that this class itself defines; a class method stays one. Nothing happens without it.

    Raises TypeError where this Python keeps the methods of a class elsewhere.
    """
    found = kind.__dict__.get(name)
    if found is None:
        return
    new: Any = classmethod(wrap(found.__func__)) if isinstance(found, classmethod) else wrap(found)
    try:
        setattr(kind, name, new)  # a class of Python
    except TypeError:
        _methods_of(kind)[name] = new
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))  # else Python goes on with what it remembers of it
    if kind.__dict__.get(name) is not new:
        raise TypeError(f"{kind.__name__}.{name} cannot be replaced")


def _methods_of(kind: Any) -> dict[str, Any]:
    """The dictionary behind the read-only view that Python gives of it."""
    found = [one for one in gc.get_referents(kind.__dict__) if type(one) is dict]
    if len(found) != 1:
        raise TypeError(f"the methods of {kind.__name__} are not where they were expected")
    return found[0]
