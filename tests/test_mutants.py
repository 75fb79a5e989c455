"""The tool that changes code finds what tests miss."""

from __future__ import annotations

import ast

from benchmarks.mutant_reach import MOST_S, Reach
from benchmarks.mutant_rooms import Mutant, quick_tests, table
from benchmarks.mutants import ROOT, mutants

SOURCE = """
def least(a: int | str, b, strict=True) -> int | str:
    if a < b and strict:
        return a + 1
    return b
"""


def test_one_change_each() -> None:
    """Every mutant is a program that differs in one place, with its line; nothing is changed twice in the same way."""
    found = list(mutants(SOURCE))
    assert {(line, what) for line, what, _ in found} >= {
        (3, "a < b  ->  a <= b"),
        (3, "a < b and strict  ->  a < b or strict"),
        (4, "a + 1  ->  a - 1"),
        (4, "1  ->  2"),
        (2, "True  ->  False"),
    }
    texts = [text for _, _, text in found]
    assert len(set(texts)) == len(texts) == 6
    assert all(ast.dump(ast.parse(text)) != ast.dump(ast.parse(SOURCE)) for text in texts)


def test_a_mutant_behaves_otherwise() -> None:
    """Each of them gives another answer for some arguments: a test that looks at these would notice."""

    def answers(text: str) -> list[object]:
        names: dict[str, object] = {}
        exec(text, names)
        least = names["least"]
        assert callable(least)
        return [least(a, b, *more) for a in range(3) for b in range(3) for more in ((), (True,), (False,))]

    assert all(answers(text) != answers(SOURCE) for _, _, text in mutants(SOURCE))


def test_which_tests_are_tried() -> None:
    """The quick ones of the rooms that call the function of the line; of a line of none, all that come to the file."""
    assert {"tests/judge/test_omitted.py", "tests/trace/test_state.py"} <= set(quick_tests())
    assert not any("test_oracle" in test for test in quick_tests())
    file = "harness/judge/names.py"
    source = (ROOT / file).read_text().splitlines()
    first, other = [number for number, line in enumerate(source, 1) if line.startswith("def ")][:2]
    reach = Reach({"a": [(file, first)], "b": [(file, other)], "c": [(file, other)]}, {"a": 0.2, "b": MOST_S, "c": 0.1})
    assert reach.tests(file, first + 1) == ["a"]
    assert reach.tests(file, other) == ["c"]  # and no time is left for the other
    assert reach.tests(file, 1) == ["c", "a"]
    assert reach.tests("harness/judge/graph.py", 1) == ["c", "a"]


def test_survivors_are_listed() -> None:
    """Each with its file and line, after how many there were."""
    told = table({"a.py": (3, 1), "b.py": (2, 0)}, [Mutant("a.py", 7, "x < 1  ->  x <= 1", "")])
    assert "| all | 5 | 1 |" in told
    assert "- `a.py:7`: `x < 1  ->  x <= 1`" in told
    assert "| all | 0 | 0 |" in table({}, [])
