"""Whether a frame is calling C code of the standard library at this moment, found without running anything of the program.

Such a function waits for what the kernel tells and for nothing else, as the library's own Python code does; one of another
library may wait for a thread of its own.
"""

from __future__ import annotations

import dis
import io
import socket
import sys
from collections.abc import Sequence
from inspect import getattr_static
from types import BuiltinFunctionType, FrameType, MethodDescriptorType, ModuleType
from typing import Any

from lockstep.harness.attach.loads import SKIPPED, dictionary, loaded

CALLS = ("CALL", "CALL_FUNCTION", "CALL_METHOD")
OF_CALLS = ("CACHE", "EXTENDED_ARG", "KW_NAMES", "PRECALL")  # between the arguments and the call
METHODS = ("LOAD_METHOD", "LOAD_ATTR")
MODULES = ("posix", "select", "fcntl", "_io", "_socket")
# Of no class below these, whose methods may be the program's.
TYPES = (io.BufferedReader, io.BufferedWriter, io.BufferedRWPair, io.TextIOWrapper, io.FileIO, socket.socket)


def is_standard(frame: FrameType) -> bool:
    """Whether what this frame calls is of the standard library, as far as that can be told."""
    steps = list(dis.get_instructions(frame.f_code))
    at = next((place for place, step in enumerate(steps) if step.offset == frame.f_lasti), None)
    if not at or steps[at].opname not in CALLS:
        return False
    before = at
    while before and steps[before - 1].opname in OF_CALLS:
        before -= 1
    place = _callable(steps[:before], steps[at].arg or 0)
    if place is None:
        return False
    step, under = steps[place], [one for one in steps[: place + 1] if one.opname not in SKIPPED]
    if step.opname in METHODS:
        return _is_method(loaded(frame, under[:-1]), str(step.argval))
    found = loaded(frame, under)
    return _prints(found, steps[before:at]) or _is_function(found)


def _callable(steps: Sequence[dis.Instruction], arguments: int) -> int | None:
    """Which of these instructions has put there what is called, below so many arguments."""
    height = 0
    for place in range(len(steps) - 1, -1, -1):
        step = steps[place]
        if height == -arguments:
            return place
        if step.opcode in (*dis.hasjrel, *dis.hasjabs):
            return None  # an argument that depends
        height -= dis.stack_effect(step.opcode, step.arg if step.opcode >= dis.HAVE_ARGUMENT else None, jump=False)
    return None


def _is_method(owner: Any, name: str) -> bool:
    if type(owner) is ModuleType:
        return _is_function(vars(owner).get(name))
    if type(owner) not in TYPES or name in dictionary(owner):
        return False
    return type(getattr_static(type(owner), name, None)) is MethodDescriptorType


def _is_function(found: Any) -> bool:
    if type(found) is not BuiltinFunctionType:
        return False
    return found.__module__ in MODULES or type(found.__self__) in TYPES


def _prints(found: Any, steps: Sequence[dis.Instruction]) -> bool:
    """Whether it is `print`, to where the interpreter writes."""
    given = [step for step in steps if step.opname in ("KW_NAMES", "CALL_KW", "CALL_FUNCTION_KW")]
    return found is print and type(sys.stdout) is io.TextIOWrapper and not given
