"""Properties of the matrix: its points, their ids, their data, and which expectation holds."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.scenario.load import load
from lockstep.harness.scenario.matrix import case_id, matching, points, substitute
from tests.scenario.support import changed, write

KEYS = st.sampled_from(["a", "b.c", "b.d", "e.f.g"])
PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab,#1[]", max_size=50)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.sampled_from("xy"), PLAIN, max_size=2)
MATRICES = st.dictionaries(KEYS, st.lists(VALUES, min_size=1, max_size=4), max_size=3)
DATA = st.dictionaries(st.sampled_from("abe"), PLAIN | st.dictionaries(st.sampled_from("cdf"), PLAIN), max_size=3)


@given(MATRICES)
def test_points_are_the_product(matrix: dict[str, list[Any]]) -> None:
    """There is each combination once, and one empty point without a matrix."""
    found = list(points(matrix))
    assert len(found) == math.prod(len(values) for values in matrix.values())
    assert len({tuple(sorted(point.items())) for point in found}) == len(found)
    assert all(point.keys() == matrix.keys() for point in found)


@given(MATRICES)
def test_case_ids_are_unique(matrix: dict[str, list[Any]]) -> None:
    """No two points of a matrix share an id, whatever their values look like."""
    found = [case_id("name", matrix, point) for point in points(matrix)]
    assert len(set(found)) == len(found)
    assert all(ident.startswith("name") for ident in found)


@given(DATA, MATRICES)
def test_substitute_sets_the_keys_and_no_other(data: dict[str, Any], matrix: dict[str, list[Any]]) -> None:
    """Each dotted key has its value, every other top-level key is untouched, and the document itself is not changed."""
    values = {key: found[0] for key, found in matrix.items()}
    before = copy.deepcopy(data)
    result = substitute(data, values)
    assert data == before
    for key, value in values.items():
        here: Any = result
        for part in key.split("."):
            here = here[part]
        assert here == value
    tops = {key.split(".")[0] for key in values}
    assert {k: v for k, v in result.items() if k not in tops} == {k: v for k, v in data.items() if k not in tops}


def test_substituted_values_are_copies() -> None:
    """Two cases never share a list."""
    shared = [1, 2]
    result = substitute({}, {"a.b": shared})
    result["a"]["b"].append(3)
    assert shared == [1, 2]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 1)), max_size=5), st.data())
def test_matching_names_the_most_keys(whens: list[dict[str, int]], data: st.DataObject) -> None:
    """What is found fits the point, and no entry that fits names more keys."""
    values = data.draw(st.fixed_dictionaries({key: st.integers(0, 1) for key in "abc"}))
    found = matching(whens, values)
    fitting = [n for n, when in enumerate(whens) if when.items() <= values.items()]
    assert bool(found) == bool(fitting)
    assert set(found) <= set(fitting)
    assert all(len(whens[n]) == max(len(whens[m]) for m in fitting) for n in found)
    assert all(n in found for n in fitting if len(whens[n]) == len(whens[found[0]]))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, True], ["name[k=1]", "name[k=true]"]),
        (["1", 1], ["name[k=1]", "name[k=#2]"]),
        (["a" * 41, "a" * 40], ["name[k=#1]", f"name[k={'a' * 40}]"]),
        ([[1, 2], [3]], ["name[k=#1]", "name[k=[3]]"]),
        (["#2", "1,2"], ["name[k=#1]", "name[k=#2]"]),
        (["none", "none"], ["name[k=none]", "name[k=#2]"]),
        ([None, "null"], ["name[k=null]", "name[k=#2]"]),
    ],
)
def test_ids_as_people_see_them(values: list[Any], wanted: list[str]) -> None:
    """A short value stands in the id itself; a long one, one with a comma or a second one is named by its number."""
    assert [case_id("name", {"k": values}, point) for point in points({"k": values})] == wanted


def test_no_fault_has_a_name(tmp_path: Path) -> None:
    """A list of faults that is empty names itself too, and -k finds it by that."""
    cases = load(write(tmp_path, changed(("expect:\n", "matrix:\n  faults: [[]]\nexpect:\n"))))
    assert [case.id for case in cases] == ["sample[faults=no-fault]"]


def test_last_key_turns_fastest(tmp_path: Path) -> None:
    """Cases come in the order in which the file is read."""
    text = "matrix:\n  guards.general: [none, agree]\n  kv_capacity.blocks: [8, 16]\nexpect:\n"
    cases = load(write(tmp_path, changed(("expect:\n", text))))
    assert [case.id for case in cases] == [
        "sample[guards.general=none,kv_capacity.blocks=8]",
        "sample[guards.general=none,kv_capacity.blocks=16]",
        "sample[guards.general=agree,kv_capacity.blocks=8]",
        "sample[guards.general=agree,kv_capacity.blocks=16]",
    ]
    assert [case.spec["kv_capacity"]["per_rank"] for case in cases] == [[8, 8], [16, 16], [8, 8], [16, 16]]
