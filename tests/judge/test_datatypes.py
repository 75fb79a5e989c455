"""Datatypes that members of one collective hand over: numpy's sizes are the oracle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.datatypes import BASIC, handed_words, kinds_differ, sizes_differ

ORACLE: dict[str, Any] = {
    "MPI_SHORT": np.short, "MPI_UNSIGNED_SHORT": np.ushort, "MPI_INT": np.intc, "MPI_UNSIGNED": np.uintc,
    "MPI_LONG": np.dtype("l"), "MPI_UNSIGNED_LONG": np.dtype("L"), "MPI_LONG_LONG": np.longlong,
    "MPI_INT16_T": np.int16, "MPI_UINT16_T": np.uint16, "MPI_INT32_T": np.int32, "MPI_UINT32_T": np.uint32,
    "MPI_INT64_T": np.int64, "MPI_UINT64_T": np.uint64, "MPI_FLOAT": np.float32, "MPI_DOUBLE": np.float64,
    "MPI_LONG_DOUBLE": np.longdouble, "MPI_C_FLOAT_COMPLEX": np.complex64, "MPI_C_DOUBLE_COMPLEX": np.complex128,
    "MPI_AINT": np.intp,
}  # fmt: skip
KINDS = {"i": "integer", "u": "integer", "f": "float", "c": "complex"}
REDUCTIONS = ("", "MPI_SUM", "MPI_MAX")


class One(NamedTuple):
    """What one member hands over."""

    size: int
    data: str


handed = st.builds(
    lambda size, name, how: One(size, f"{name} {how}".strip()),
    st.integers(-1, 5), st.sampled_from(sorted(ORACLE)), st.sampled_from(REDUCTIONS),
)  # fmt: skip


def test_widths_are_those_of_this_machine() -> None:
    """Each datatype is as wide as numpy's of the same kind."""
    assert {name: (KINDS[np.dtype(one).kind], np.dtype(one).itemsize) for name, one in ORACLE.items()} == {
        name: tuple(BASIC[name]) for name in ORACLE
    }


@given(st.lists(handed, min_size=1, max_size=4))
def test_what_differs_is_what_numpy_says(several: list[One]) -> None:
    """Other kinds or widths, other reductions where both are known, other numbers of bytes where both are."""
    types = [np.dtype(ORACLE[one.data.split()[0]]) for one in several]
    reductions = {one.data.partition(" ")[2] for one in several} - {""}
    assert kinds_differ(several) == (len({(KINDS[one.kind], one.itemsize) for one in types}) > 1 or len(reductions) > 1)
    volumes = {one.size * kind.itemsize for one, kind in zip(several, types, strict=True) if one.size >= 0}
    assert sizes_differ(several) == (len(volumes) > 1)


@given(st.lists(handed, min_size=1, max_size=4), st.sampled_from(("", "MPI_BYTE", "MPI_PACKED", "of_a_program")))
def test_what_is_not_known_differs_from_nothing(several: list[One], unknown: str) -> None:
    """Bytes stand for anything, and so does a datatype of the program's own."""
    assert kinds_differ([*several, One(1, unknown)]) == kinds_differ(several)


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=4), st.integers(0, 3))
def test_elements_are_compared_with_elements_only(sizes: list[int], size: int) -> None:
    """Where no datatype is told the number of elements must be one; a member that tells one is compared with its like."""
    plain = [One(one, "") for one in sizes]
    assert sizes_differ(plain) == (len({one for one in sizes if one >= 0}) > 1)
    assert sizes_differ([*plain, One(size, "MPI_INT")]) == sizes_differ(plain)


def test_words() -> None:
    """As a person would say it."""
    assert [handed_words(One(*one)) for one in ((1, "MPI_INT MPI_SUM"), (-1, "MPI_INT"), (4, ""), (-1, ""))] == [
        "1 MPI_INT with MPI_SUM", "MPI_INT", "4", "",
    ]  # fmt: skip


def test_bytes_and_characters_are_one_wide() -> None:
    """Four of them are as much as one of four bytes."""
    for name in ("MPI_BYTE", "MPI_CHAR", "MPI_PACKED", "MPI_C_BOOL", "MPI_INT8_T"):
        assert not sizes_differ([One(4, name), One(1, "MPI_INT")])
        assert sizes_differ([One(2, name), One(1, "MPI_INT")])
