"""Whether a frame is calling C code of the standard library at this moment, found without running anything of the program.

Such a function waits for what the kernel tells and for nothing else, as the library's own Python code does; one of another
library may wait for a thread of its own.
"""

from __future__ import annotations

import _thread
import dis
import io
import queue
import socket
import sys
from collections.abc import Sequence
from inspect import getattr_static
from types import BuiltinFunctionType, FrameType, MethodDescriptorType, ModuleType
from typing import Any

from lockstep.harness.attach.loads import SKIPPED, dictionary, loaded

CALLS = ("CALL", "CALL_FUNCTION", "CALL_METHOD")
SPREAD = "CALL_FUNCTION_EX"  # a call with arguments that were packed: so a library calls what it was given
OF_CALLS = ("CACHE", "EXTENDED_ARG", "KW_NAMES", "PRECALL")  # between the arguments and the call
METHODS = ("LOAD_METHOD", "LOAD_ATTR")
MODULES = ("posix", "select", "fcntl", "_io", "_socket")
# Of no class below these, whose methods may be the program's.
TYPES = (io.BufferedReader, io.BufferedWriter, io.BufferedRWPair, io.TextIOWrapper, io.FileIO, socket.socket)
LOCK, RE_ENTRANT = _thread.LockType, _thread.RLock
# In C; methods that ask for their class are of another type.
FUNCTIONS: tuple[type, ...] = (BuiltinFunctionType, type(queue.SimpleQueue().get))
OF_THREADS = (LOCK, RE_ENTRANT, queue.SimpleQueue)  # which other threads of the process wait at, and nobody else acts on


def is_standard(frame: FrameType) -> bool:
    """Whether what this frame calls is of the standard library, as far as that can be told."""
    call = _call(frame)
    found = called(frame) if call is not None else None
    return found is not None and (_is_function(found) or (found is print and _prints(call or ())))


def passes_on(frame: FrameType) -> bool:
    """Whether this frame of a library is calling what somebody gave it, which may be of any other one."""
    call = _call(frame)
    return call is not None and (call[-1].opname == SPREAD or type(called(frame)) is type)


def called(frame: FrameType) -> Any:
    """What this frame calls: a function written in C with the object that it is a method of, or a type; None: not known."""
    call = _call(frame)
    if call is None:
        return None
    steps = list(dis.get_instructions(frame.f_code))
    first = next(place for place, step in enumerate(steps) if step.offset == call[0].offset)
    arguments = call[-1].arg or 0
    place = _callable(steps[:first], 1 + (arguments & 1) if call[-1].opname == SPREAD else arguments)
    if place is None:
        return None
    under = [one for one in steps[: place + 1] if one.opname not in SKIPPED]
    found = _method(loaded(frame, under[:-1]), str(steps[place].argval)) if steps[place].opname in METHODS else None
    found = loaded(frame, under) if found is None else found
    return found if type(found) in (*FUNCTIONS, type) else None


def _call(frame: FrameType) -> Sequence[dis.Instruction] | None:
    """The instructions of the call that a frame is in, without those of its arguments."""
    steps = list(dis.get_instructions(frame.f_code))
    at = next((place for place, step in enumerate(steps) if step.offset == frame.f_lasti), None)
    if not at or steps[at].opname not in (*CALLS, SPREAD):
        return None
    before = at
    while before and steps[before - 1].opname in OF_CALLS:
        before -= 1
    return steps[before : at + 1]


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


def _method(owner: Any, name: str) -> Any:
    """What an object has by that name: of its own, or as a method that its class has in C."""
    if type(owner) is ModuleType:
        return vars(owner).get(name)
    if name in (own := dictionary(owner)):
        return own[name]
    if type(owner) not in (*TYPES, *OF_THREADS, *_of_processes()):
        return None
    found = getattr_static(type(owner), name, None)
    # Without the class some of Python 3.11 crash.
    return found.__get__(owner, type(owner)) if type(found) is MethodDescriptorType else None


def _is_function(found: Any) -> bool:
    if type(found) not in FUNCTIONS:
        return False
    return found.__module__ in MODULES or type(found.__self__) in (*TYPES, *_of_processes())


def _of_processes() -> Sequence[type]:
    """The lock of multiprocessing, which not every program loads."""
    lock = getattr(sys.modules.get("_multiprocessing"), "SemLock", None)
    return (lock,) if type(lock) is type else ()


def _prints(steps: Sequence[dis.Instruction]) -> bool:
    """Whether a call of `print` goes to where the interpreter writes."""
    given = [step for step in steps if step.opname in ("KW_NAMES", "CALL_KW", "CALL_FUNCTION_KW", SPREAD)]
    return type(sys.stdout) is io.TextIOWrapper and not given
