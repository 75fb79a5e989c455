"""The coverage table of a run counts every case of a class once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.report import coverage
from lockstep.harness.report.line import not_judged

PLAN = {"id": "a", "scenario": "a", "path": "a.yaml", "slug": "a"}
LINES = st.builds(
    lambda name, guard, outcome: replace(not_judged(PLAN), mechanism_class=name, guard=guard, outcome=outcome),
    st.sampled_from(["", "M1-capacity-gate", "M2-partial-failure", "M10-cache-scheduler-drift"]),
    st.sampled_from(["", "general=none", "general=agree"]),
    st.sampled_from(coverage.OUTCOMES),
)


@given(st.lists(LINES, max_size=20))
def test_every_case_is_counted_once(lines: list[object]) -> None:
    """The numbers of the table add up to the cases that have a class; rows are in the order of the classes."""
    table = coverage.render(lines)  # type: ignore[arg-type]
    rows = [row.strip("|").split("|") for row in table.splitlines()[2:]]
    total = sum(int(cell) for row in rows for cell in row[2:] if cell.strip())
    assert total == sum(bool(line.mechanism_class) for line in lines)  # type: ignore[attr-defined]
    numbers = [int(row[0].strip()[1:].split("-")[0]) for row in rows]
    assert numbers == sorted(numbers)


def test_guards_of_a_point() -> None:
    """Only what the matrix sets of the guards, whole sections included."""
    assert coverage.guard_text({"guards.general": "none", "kv_capacity.blocks": 3}) == "general=none"
    assert coverage.guard_text({"guards": {"preset": "p", "general": "agree"}}) == "preset=p general=agree"
    assert coverage.guard_text({"parallel.tp": 2}) == ""
