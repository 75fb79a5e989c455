"""What the instructions of a frame have loaded, found without running anything of the program."""

from __future__ import annotations

import dis
from collections.abc import Sequence
from types import FrameType
from typing import Any

SKIPPED = ("CACHE", "PRECALL", "PUSH_NULL", "NOP", "EXTENDED_ARG", "RESUME", "COPY")  # they change nothing that counts here


def loaded(frame: FrameType, steps: Sequence[dis.Instruction]) -> Any:
    """What the last of these instructions have loaded, found without running anything of the program; None: not known."""
    attributes: list[str] = []
    steps = list(steps)
    while steps and steps[-1].opname == "LOAD_ATTR":
        attributes.insert(0, str(steps.pop().argval))
    if not steps or not steps[-1].opname.startswith(("LOAD_FAST", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")):
        return None
    name = str(steps[-1].argval)
    found = next((names[name] for names in (frame.f_locals, frame.f_globals, frame.f_builtins) if name in names), None)
    for attribute in attributes:
        found = dictionary(found).get(attribute)
    return found


def dictionary(value: Any) -> dict[str, Any]:
    """The attributes that an object itself has, without asking its class, which may be the program's."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}
