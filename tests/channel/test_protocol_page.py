"""docs/protocol.md: every message with its fields, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from lockstep.harness.channel import to_supervisor, to_watchdog
from lockstep.harness.channel.message_base import Message, ToSupervisor, ToWatchdog

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()

FILES: dict[type[Message], ModuleType] = {ToWatchdog: to_watchdog, ToSupervisor: to_supervisor}


def kinds(file: ModuleType) -> list[type[Message]]:
    """The messages that a file defines."""
    known = [kind for kind in vars(file).values() if isinstance(kind, type) and issubclass(kind, Message)]
    return [kind for kind in known if kind.__module__ == file.__name__]


def described(title: str) -> dict[str, tuple[str, str]]:
    """The rows of the table below a title: by message its fields, and when it is sent."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}), "a message stands there twice"
    return {name: (fields, when) for name, fields, when in rows}


@pytest.mark.parametrize(("title", "direction"), [("To the watchdog", ToWatchdog), ("To a supervisor", ToSupervisor)])
def test_every_message_is_described(title: str, direction: type[Message]) -> None:
    """With the names and types of its fields in their order, and with what its class says of when it is sent."""
    wanted = {}
    for kind in kinds(FILES[direction]):
        assert direction in kind.__bases__, "each file holds one direction"
        fields = ", ".join(f"`{name}` {kind.__annotations__[name]}" for name in kind.__slots__).replace("|", "or")
        wanted[kind.__name__] = (fields or "-", " ".join((kind.__doc__ or "").split()))
    assert described(title) == wanted


def test_every_type_is_described() -> None:
    """Each type that a field has stands in the table of types."""
    section = PAGE.partition("\n## Types\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"\w+", " ".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))))
    every = [kind for file in FILES.values() for kind in kinds(file)]
    used = {word for kind in every for name in kind.__slots__ for word in re.findall(r"\w+", kind.__annotations__[name])}
    assert used - {"None"} <= told
