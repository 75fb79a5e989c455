"""How messages travel: msgpack lists in ZeroMQ frames. What comes is checked here, whoever sent it, or is no message.

A message is a list: the name of its class, then its fields in order. One that is longer than a frame goes in several. The
supervisor of every rank holds the key, and any program that a rank runs may read it there: nothing that comes is taken for
granted, and whatever is wrong with it is one FormatError.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import msgpack

from lockstep.harness.channel import to_supervisor, to_watchdog
from lockstep.harness.channel.message_base import Message, ToSupervisor, ToWatchdog

if TYPE_CHECKING:
    from lockstep.harness.channel import messages

FRAME_BYTES = (1 << 20) + 4096  # a chunk of output and what is around it go in one
FRAME_MOST = FRAME_BYTES + 1024  # for MAXMSGSIZE, with what CURVE adds: what a peer may send before anybody knows its key
MESSAGE_BYTES = 64 << 20  # the longest is the dump of another tool
SMALL_BYTES = 64 << 10  # whatever is in so little cannot grow to much; a longer one is walked through before it is read
NAME_CHARS = 4096
DEEPEST = 5  # lists and maps within each other: message, leaks, leak, facts, a list of process ids
MOST_CONTAINERS = 20_000  # lists and maps of one message
MOST_ITEMS = 1 << 19  # of all its lists and maps together: the strings of a whole ring
LAST_I64 = (1 << 63) - 1

_M = TypeVar("_M", bound=Message)


class FormatError(ValueError):
    """What came is no message."""


def encode(message: Message) -> list[bytes]:
    """One message, as frames. Raises FormatError when it is longer than any may be."""
    raw = bytes(msgpack.packb((type(message).__name__, *message.values()), unicode_errors="replace"))
    if len(raw) <= FRAME_BYTES:
        return [raw]
    if len(raw) > MESSAGE_BYTES:
        name = getattr(message, "name", "")
        raise FormatError(f"{type(message).__name__} {name} of {len(raw) >> 20} MiB".replace("  ", " "))
    return [raw[at : at + FRAME_BYTES] for at in range(0, len(raw), FRAME_BYTES)]


def decode_from_supervisor(raw: bytes) -> messages.FromSupervisor:
    """A message to the watchdog. Raises FormatError."""
    found: messages.FromSupervisor = _decode(raw, _FROM_SUPERVISOR)
    return found


def decode_from_watchdog(raw: bytes) -> messages.FromWatchdog:
    """A message to a supervisor. Raises FormatError."""
    found: messages.FromWatchdog = _decode(raw, _FROM_WATCHDOG)
    return found


class _Form:
    """How the list of one class must look. `checks` are of the fields that a comparison of types does not settle."""

    __slots__ = ("checks", "kind", "length")

    def __init__(self, kind: type[Message]) -> None:
        self.kind = kind
        annotations = [kind.__annotations__[name] for name in kind.__slots__]
        self.checks = [_CHECKS[name] for name in annotations]
        self.length = len(self.checks)


def _decode(raw: bytes, forms: dict[str, _Form | type[Message]]) -> Any:
    if len(raw) > SMALL_BYTES:
        _walk(raw)
    try:
        whole = msgpack.unpackb(raw, use_list=False, strict_map_key=False)
        if type(whole) is not tuple:
            raise TypeError("not a list")
        kind, *values = whole
        form = forms[kind]
    except (ValueError, TypeError, KeyError, RecursionError, msgpack.UnpackException) as error:
        raise FormatError(f"no message: {type(error).__name__}") from error
    if not isinstance(form, _Form):
        form = forms[kind] = _Form(form)  # made when first needed: a supervisor needs few
    if len(values) != form.length:
        raise FormatError(f"{kind} with {len(values)} fields, not {form.length}")
    for check, value in zip(form.checks, values, strict=True):
        if not check(value):
            raise FormatError(f"{kind}: a field is wrong")
    found = form.kind(*values)
    if not found.fits():
        raise FormatError(f"{kind}: its fields do not fit together")
    return found


# --- what a field may be ----------------------------------------------------------------------------------------------


def _integer(value: Any) -> bool:
    return type(value) is int and -LAST_I64 <= value <= LAST_I64


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LAST_I64


def _proc(value: Any) -> bool:
    return type(value) is int and -1 <= value <= LAST_I64


def _name(value: Any) -> bool:
    return type(value) is str and len(value) <= NAME_CHARS


def _text(value: Any) -> bool:
    return type(value) is str


def _all(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: type(value) is tuple and (not value or all(map(of, value)))


def _leak(value: Any) -> bool:
    return type(value) is tuple and [*map(type, value)] == [str, dict] and all(type(name) is str for name in value[1])


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "bool": lambda value: type(value) is bool,
    "bytes": lambda value: type(value) is bytes,
    "int": _integer,
    "Count": _count,
    "Count | None": lambda value: value is None or _count(value),
    "Code": lambda value: value is None or _integer(value),
    "Rank": _count,  # that there is such a rank only the watchdog knows
    "Proc": _proc,
    "Name": _name,
    "Text": _text,
    "Names": _all(_name),
    "Texts": _all(_text),
    "Numbers": _all(_count),
    "Versions": lambda value: type(value) is dict and all(map(_name, value)) and all(map(_name, value.values())),
    # A ring has a 64-bit word for each, so that these, unlike counts, may have all bits.
    "Words": lambda value: type(value) is dict and all(type(one) is int for pair in value.items() for one in pair),
    "Leaks": _all(_leak),
}


def _forms(module: ModuleType, direction: type[Message]) -> dict[str, _Form | type[Message]]:
    known = vars(module).values()
    return {kind.__name__: kind for kind in known if isinstance(kind, type) and direction in kind.__bases__}


_FROM_SUPERVISOR = _forms(to_watchdog, ToWatchdog)
_FROM_WATCHDOG = _forms(to_supervisor, ToSupervisor)


# --- what a long message may hold -------------------------------------------------------------------------------------


def _walk(raw: bytes) -> None:
    """See that what is in a long message is no deeper and has no more parts than any message of ours. Raises FormatError.

    Thirty million empty maps are as many bytes on the way, and gigabytes when they have been read.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=MESSAGE_BYTES, strict_map_key=False)
    if len(raw) > MESSAGE_BYTES:
        raise FormatError(f"{len(raw) >> 20} MiB are no message")
    try:
        unpacker.feed(raw)
        open_items, containers, items = [1], 0, 0
        while open_items:
            if not open_items[-1]:
                open_items.pop()
                continue
            open_items[-1] -= 1
            size = _size_of_container(raw[unpacker.tell()], unpacker)
            if size is None:
                unpacker.skip()
                continue
            containers, items = containers + 1, items + size
            open_items.append(size)
            if len(open_items) > DEEPEST + 1 or containers > MOST_CONTAINERS or items > MOST_ITEMS:
                raise FormatError(f"{len(raw)} bytes of too many parts")
    except (ValueError, IndexError, msgpack.UnpackException) as error:
        raise FormatError(f"no message: {error}") from error


def _size_of_container(head: int, unpacker: msgpack.Unpacker) -> int | None:
    """How many items follow the header of a list or map, which is read; None where something else follows."""
    if 0x90 <= head <= 0x9F or head in (0xDC, 0xDD):
        return int(unpacker.read_array_header())
    if 0x80 <= head <= 0x8F or head in (0xDE, 0xDF):
        return 2 * int(unpacker.read_map_header())
    return None
