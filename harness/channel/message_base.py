"""What all messages of the channel have in common: the types of their fields, their direction, equality and a text for logs.

Standard library only: a supervisor imports this once its engine has been started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        """For the type checker only; Python 3.10 has none."""
        return lambda function: function


# The types of fields. `codec` checks each by this name when a message comes, and `docs/protocol.md` tells their limits.
Rank: TypeAlias = int  # the number that the launcher gave to a supervisor, from 0
Count: TypeAlias = int  # from 0
Proc: TypeAlias = int  # a process that a supervisor has told of, from 0; -1 where its engine is all that it has
Code: TypeAlias = int | None  # how a process ended: its exit status, or minus the signal; None: not known
Name: TypeAlias = str  # of a host, a file, a version
Text: TypeAlias = str
Numbers: TypeAlias = tuple[int, ...]  # each from 0
Names: TypeAlias = tuple[str, ...]
Texts: TypeAlias = tuple[str, ...]
Versions: TypeAlias = dict[str, str]  # by name
Words: TypeAlias = dict[int, int]  # by communicator id
Leaks: TypeAlias = tuple[tuple[str, dict[str, Any]], ...]  # sentences, each with its facts

_Kind = TypeVar("_Kind", bound=type)


@dataclass_transform(frozen_default=True, eq_default=False)
def message(kind: _Kind) -> _Kind:
    """A frozen dataclass with slots. What dataclasses would generate besides costs each of N supervisors 10 ms."""
    return cast("_Kind", dataclass(frozen=True, slots=True, eq=False, repr=False, match_args=False)(kind))


class Message:
    """What all have in common."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and type(self) is type(other) and self.values() == other.values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        told = (f"{name}={_short(value)}" for name, value in zip(self.__slots__, self.values(), strict=True))
        return f"{type(self).__name__}({', '.join(told)})"

    def values(self) -> tuple[Any, ...]:
        """The fields, in order."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def fits(self) -> bool:
        """Whether the fields fit together. That each is of its type is known already."""
        return True


def is_file_name(name: str) -> bool:
    """Whether it names a file of the folder in which it is looked for, and leads nowhere else."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def never(message: NoReturn) -> NoReturn:
    """The last case of a `match`: the type checker sees that no message comes to it."""
    raise AssertionError(f"{message!r} is handled nowhere")


class ToWatchdog(Message):
    """A supervisor sends it."""

    __slots__ = ()


class ToSupervisor(Message):
    """The watchdog sends it."""

    __slots__ = ()


def _short(value: object) -> str:
    """Of a long value its size. What programs print, their strings and their arguments are nothing for a log."""
    if isinstance(value, tuple) and len(value) <= 8 and all(isinstance(one, int) for one in value):
        return repr(value)
    if isinstance(value, (bytes, tuple, dict)):
        return f"<{len(value)}>"
    return f"<{len(value)}>" if isinstance(value, str) and len(value) > 80 else repr(value)
