"""Dumps of other tools as plain data. They come from a process that has gone wrong, so nothing of them is trusted."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

# Opcodes that make numbers, strings and containers, with the bytes of their argument; -1, -4, -8: so many bytes that say how
# many follow. Whatever names a class or calls one is not among them, nor is any of the first protocol, which is text.
_PLAIN = {
    0x80: 1, 0x95: 8,  # protocol, frame
    0x28: 0, 0x30: 0, 0x31: 0, 0x32: 0,  # mark, pop, pop to mark, again
    0x4E: 0, 0x88: 0, 0x89: 0, 0x4A: 4, 0x4B: 1, 0x4D: 2, 0x8A: -1, 0x47: 8,  # None, bool, int, long, float
    0x58: -4, 0x8C: -1, 0x8D: -8, 0x54: -4, 0x55: -1, 0x42: -4, 0x43: -1, 0x8E: -8,  # str and bytes
    0x7D: 0, 0x5D: 0, 0x29: 0, 0x61: 0, 0x65: 0, 0x73: 0, 0x75: 0,  # dict, list, and what fills them
    0x64: 0, 0x6C: 0, 0x74: 0, 0x85: 0, 0x86: 0, 0x87: 0,  # dict, list and tuple from a mark, short tuples
    0x71: 1, 0x72: 4, 0x94: 0, 0x68: 1, 0x6A: 4,  # memo
}  # fmt: skip
_STOP, _PUT, _PUT_LONG = 0x2E, 0x71, 0x72


class _PlainData(pickle.Unpickler):
    """Numbers, strings and containers only: a pickle could otherwise call anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def read_pickle(raw: bytes) -> dict[str, Any]:
    """A pickled dict of plain data; empty when it is anything else."""
    if not _is_plain(raw):
        return {}
    try:
        found = _PlainData(io.BytesIO(raw)).load()
    except Exception:  # a torn pickle can raise nearly anything
        return {}
    return found if isinstance(found, dict) else {}


def read_json(raw: bytes) -> dict[str, Any]:
    """A JSON object; empty when it is anything else."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_plain(raw: bytes) -> bool:
    """Whether a pickle makes plain data, and in no more memory than is in proportion to its size.

    Its reader believes what it is told: a number in the memo is the size of an array, so that 9 bytes cost gigabytes.
    """
    at = opcodes = 0
    size = len(raw)
    while at < size:
        opcode = raw[at]
        opcodes += 1
        if opcode == _STOP:
            return True
        length = _PLAIN.get(opcode)
        if length is None:
            return False
        at += 1
        if length < 0:
            length, at = int.from_bytes(raw[at : at - length], "little"), at - length
        elif opcode in (_PUT, _PUT_LONG) and int.from_bytes(raw[at : at + length], "little") > opcodes:
            return False
        at += length
    return False
