"""What members of one collective, or both ends of a message, hand over: when that surely differs. Pure.

MPI wants the same basic datatypes in the same number on both sides. Only its own datatypes have a name here; of those that a
program makes of them nothing is known. Signed and unsigned integers of one width are taken for the same, and bytes for
anything, as programs do that run well everywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol


class Basic(NamedTuple):
    """A datatype of MPI: what it is (empty: whatever the other side says), and its bytes."""

    kind: str
    width: int


_NAMES = {
    ("", 1): "BYTE PACKED CHAR SIGNED_CHAR UNSIGNED_CHAR INT8_T UINT8_T CHARACTER INTEGER1",
    ("integer", 2): "SHORT UNSIGNED_SHORT INT16_T UINT16_T INTEGER2",
    ("integer", 4): "INT UNSIGNED INT32_T UINT32_T WCHAR INTEGER INTEGER4",
    (
        "integer",
        8,
    ): "LONG UNSIGNED_LONG LONG_LONG LONG_LONG_INT UNSIGNED_LONG_LONG INT64_T UINT64_T AINT COUNT OFFSET INTEGER8",
    ("float", 4): "FLOAT REAL REAL4",
    ("float", 8): "DOUBLE DOUBLE_PRECISION REAL8",
    ("float", 16): "LONG_DOUBLE REAL16",
    ("complex", 8): "C_COMPLEX C_FLOAT_COMPLEX CXX_FLOAT_COMPLEX COMPLEX COMPLEX8",
    ("complex", 16): "C_DOUBLE_COMPLEX CXX_DOUBLE_COMPLEX DOUBLE_COMPLEX COMPLEX16",
    ("boolean", 1): "C_BOOL CXX_BOOL",
    ("logical", 4): "LOGICAL",
}
BASIC = {f"MPI_{name}": Basic(*basic) for basic, names in _NAMES.items() for name in names.split()}


class Handed(Protocol):
    """What an entry and a message have of it."""

    @property
    def size(self) -> int:
        """How many elements; -1: that is not known, or may rightly differ."""

    @property
    def data(self) -> str:
        """The datatype's name, and the reduction's; empty: not known."""


def datatype(one: Handed) -> str:
    """Its name."""
    return one.data.partition(" ")[0]


def reduction(one: Handed) -> str:
    """Its name; empty: it is none, or the program's own."""
    return one.data.partition(" ")[2]


def sizes_differ(several: Collection[Handed]) -> bool:
    """Whether they hand over more and less, where all must be the same. Elements and bytes are no matter of one another."""
    elements = {one.size for one in several if not one.data and one.size >= 0}
    wide = ((one.size, BASIC.get(datatype(one))) for one in several if one.data and one.size >= 0)
    return len(elements) > 1 or len({size * basic.width for size, basic in wide if basic is not None}) > 1


def kinds_differ(several: Collection[Handed]) -> bool:
    """Whether their datatypes, or their reductions, are surely others."""
    basics = (BASIC.get(datatype(one)) for one in several)
    kinds = {basic for basic in basics if basic is not None and basic.kind}
    return len(kinds) > 1 or len({name for one in several if (name := reduction(one))}) > 1


def handed_words(one: Handed) -> str:
    """`1 MPI_INT with MPI_SUM`; without a datatype the number alone; empty: nothing is known."""
    what = " ".join(filter(None, (str(one.size) if one.size >= 0 else "", datatype(one))))
    return what + (f" with {name}" if (name := reduction(one)) else "")
