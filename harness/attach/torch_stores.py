"""Waits for keys: `get` and `wait` of torch.distributed's stores, with the key and what tells one store from another.

Anybody of the job may set a key of a TCPStore, which is told by its server's port, or of a FileStore, told by its path; its
waits look into the file again and again. Only threads of the same process may set one of a HashStore.
"""

from __future__ import annotations

import os
from _thread import get_ident, get_native_id
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import recording
from lockstep.harness.attach.calls import Again, Issued
from lockstep.harness.attach.class_methods import replace
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.recording import Recording
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import limit_s

MOST_KEYS = 256  # that are told by name: the table of strings is of one size
KEY_CHARACTERS = 60
_told: set[str] = set()


def wrap(module: ModuleType) -> None:
    """Wrap the class of all stores, of distributed_c10d."""
    recording.after_fork.append(_told.clear)
    for name in ("get", "wait"):
        replace(getattr(module, "Store", None), name, _waiting)


def _waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        found = recording.existing()
        if found is None or not arguments or found.blocked.get(get_ident()):
            return None  # inside of an operation that is recorded, which tells it
        port, place = _port(arguments[0]), _place(arguments[0])
        if port is None and not place:
            return None
        timeout = named.get("timeout", arguments[2] if len(arguments) > 2 else getattr(arguments[0], "timeout", None))
        keys = named.get("keys", named.get("key", arguments[1] if len(arguments) > 1 else ""))
        if port is None:
            return _begun_at(
                found, f"{place.partition(' ')[0]}.{original.__name__} of {_listed(keys)}", place, limit_s(timeout)
            )
        return _begun(found, original.__name__, port, _listed(keys), bool(limit_s(timeout)))

    return recorded(original, prepare)


class Asking(Again):
    """A wait for a key. While it lasts the kernel is asked whether the answer has come: no event tells."""

    __slots__ = ()

    def __init__(self, found: Recording, issued: Issued, port: int) -> None:
        super().__init__(found, issued)
        found.asking[get_ident()] = (get_native_id(), port)

    def ended(self, result: Any) -> None:
        """The key is there."""
        self.recording.asking.pop(get_ident(), None)
        super().ended(result)

    def failed(self, error: BaseException) -> None:
        """It is not, and will not be waited for."""
        self.recording.asking.pop(get_ident(), None)
        super().failed(error)


def _begun(found: Recording, name: str, port: int, key: str, timed: bool) -> Asking:
    # One that ends by itself is told, and is no wait.
    end = "a limit of time" if timed else f"store {port}"
    return Asking(found, found.sleeps(f"TCPStore.{name} of {key}", end, call_site(found.recorder)), port)


def _begun_at(found: Recording, op: str, place: str, limit: int) -> Again:
    end = "a limit of time" if limit else f"store {place}"
    return Again(found, found.sleeps(op, end, call_site(found.recorder)))


def _place(store: Any) -> str:
    """What tells a FileStore or a HashStore from others, below any prefixes; empty for another store."""
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    kind = type(store).__name__
    if kind == "FileStore":
        return f"{kind} {os.path.realpath(store.path)}"
    return f"{kind} {os.getpid()}" if kind == "HashStore" else ""


def _port(store: Any) -> int | None:
    """Of the server of a TCPStore, below any prefixes; None for another store."""
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    return int(store.port) if type(store).__name__ == "TCPStore" else None


def _listed(keys: Any) -> str:
    listed = ", ".join(map(repr, keys)) if isinstance(keys, (list, tuple)) else repr(keys)
    short = listed if len(listed) <= KEY_CHARACTERS else f"{listed[:KEY_CHARACTERS]} ..."
    if short not in _told and len(_told) >= MOST_KEYS:
        return "a key"
    _told.add(short)
    return short
