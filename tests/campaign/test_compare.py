"""Two runs compared: what is told, what is worse, and what is noise."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.campaign.compare import KINDS, Change, Comparison, Tolerance, compare
from lockstep.harness.campaign.past import Found, Past, read_past
from lockstep.harness.commands.compare import _markdown
from lockstep.harness.report import markdown
from lockstep.harness.report.rebuild import rebuild
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.scenario.errors import ScenarioError
from tests.campaign.test_command_line import lockstep
from tests.report.samples import NAMES, case, hang, store, success

HERE = {"cores": 2, "gpus": []}
SUCCESS: dict[str, Any] = {
    "device": "cpu", "outcome": "success", "cause": "", "proved": None, "as_expected": True, "signature": "", "blame": "",
    "by": "", "seconds": 10.0, "last_block_to_verdict_s": None, "memory_bytes": None, "waived": False,
}  # fmt: skip
HANG = {
    **SUCCESS, "outcome": "hang", "cause": "deadlock", "proved": True, "signature": "aa", "blame": "3",
    "by": "decode step=7: wait (free_blocks=2)", "last_block_to_verdict_s": 0.01,
}  # fmt: skip
RAISE = {**SUCCESS, "outcome": "raise", "cause": "all-ranks", "signature": "bb"}
INVALID = {**SUCCESS, "outcome": "invalid", "cause": "node-lost", "as_expected": False, "seconds": None}
LEFT = {**INVALID, "outcome": "not run", "cause": ""}
WRONG = {"as_expected": False}


def past(
    name: str, cases: dict[str, list[dict[str, Any]]], environment: Mapping[str, Any] = HERE, argv: tuple[str, ...] = ()
) -> Past:
    """A run of these cases, each with its repetitions."""
    found: dict[str, Found] = {}
    for ident, rows in cases.items():
        found[ident] = Found()
        for row in rows:
            found[ident].add(row)
    return Past(name, environment, argv, found)


def changes(old: list[dict[str, Any]], new: list[dict[str, Any]], tolerance: Tolerance = Tolerance()) -> tuple[Change, ...]:  # noqa: B008
    """What is told of one case."""
    return compare(past("old", {"a": old}), past("new", {"a": new}), tolerance).changes


@pytest.mark.parametrize(
    ("old", "new", "kind", "worse"),
    [
        ([SUCCESS], [HANG | WRONG], "new-hang", True),
        ([SUCCESS], [HANG], "new-hang", True),
        ([SUCCESS, SUCCESS], [SUCCESS, HANG | WRONG], "flaky new-hang", True),
        ([SUCCESS], [HANG | WRONG | {"waived": True}], "new-hang", False),
        ([HANG | WRONG], [SUCCESS], "gone-hang", False),
        ([HANG], [SUCCESS | WRONG], "gone-hang", True),
        ([SUCCESS], [RAISE | WRONG], "changed-outcome", True),
        ([RAISE], [SUCCESS], "changed-outcome", False),
        ([HANG], [HANG | {"cause": "stall", "proved": False}], "changed-outcome", True),
        ([HANG], [HANG | {"signature": "cc"}], "changed-signature", True),
        ([HANG, HANG | {"signature": "cc"}], [HANG | {"signature": "cc"}], "", False),
        ([HANG], [HANG | {"blame": "0"}], "changed-blame", True),
        ([HANG], [HANG | {"by": "decode step=9: wait (free_blocks=4)"}], "", False),
        ([HANG], [HANG | WRONG], "changed-expectation", True),
        ([HANG | WRONG], [HANG], "changed-expectation", False),
        ([HANG], [HANG | WRONG | {"waived": True}], "changed-expectation", False),
        ([HANG, HANG | WRONG], [HANG, HANG], "", False),
        ([HANG], [HANG | WRONG | {"blame": "0"}], "changed-blame", True),
        ([SUCCESS], [INVALID], "not-judged", True),
        ([SUCCESS], [LEFT], "not-judged", False),
        ([SUCCESS, SUCCESS], [SUCCESS, LEFT], "not-judged", False),
        ([INVALID], [SUCCESS], "judged-again", False),
        ([INVALID], [HANG | WRONG], "judged-again", True),
        ([INVALID], [INVALID], "", False),
        ([SUCCESS], [SUCCESS | {"seconds": 15.5}], "slower", True),
        ([SUCCESS], [SUCCESS | {"seconds": 14.9}], "", False),
        ([SUCCESS | {"seconds": 0.1}], [SUCCESS | {"seconds": 4.0}], "", False),
        ([SUCCESS | {"seconds": 100.0}], [SUCCESS | {"seconds": 130.0}], "", False),
        ([SUCCESS] * 3, [SUCCESS, SUCCESS | {"seconds": 99.0}, SUCCESS], "", False),
        ([HANG], [HANG | {"last_block_to_verdict_s": 9.0}], "later-verdict", True),
        ([HANG], [HANG | {"last_block_to_verdict_s": 0.9}], "", False),
        ([SUCCESS | {"memory_bytes": 1 << 30}], [SUCCESS | {"memory_bytes": 3 << 29}], "more-memory", True),
        ([SUCCESS | {"memory_bytes": 1 << 20}], [SUCCESS | {"memory_bytes": 3 << 20}], "", False),
        ([SUCCESS], [SUCCESS | {"memory_bytes": 1 << 40}], "", False),
    ],
)  # fmt: skip
def test_change(old: list[dict[str, Any]], new: list[dict[str, Any]], kind: str, worse: bool) -> None:
    """Each kind of change, and what is none: other figures in a blame, small times, one slow repetition of three."""
    found = changes(old, new)
    assert sorted(change.kind for change in found) == sorted(kind.split())
    assert any(change.worse for change in found) == worse


def test_another_expectation_is_told_with_what_differs() -> None:
    """Where only the scenario is another, the night says in what its outcome now differs, or differed then."""
    wrong = HANG | WRONG | {"differences": "outcome: expected success, got hang"}
    (worse,), (better,) = changes([HANG], [wrong]), changes([wrong], [HANG])
    said = "outcome: expected success, got hang"
    assert worse.text == f"hang (deadlock, proved) in both, not as expected now, and it was then: {said}"
    assert better.text == f"hang (deadlock, proved) in both, as expected now, and not then: {said}"
    (earlier,) = changes([HANG], [HANG | WRONG])  # a baseline that does not tell in what
    assert earlier.text == "hang (deadlock, proved) in both, not as expected now, and it was then"


ROWS = st.lists(
    st.sampled_from([SUCCESS, HANG, HANG | WRONG, RAISE, INVALID, LEFT, SUCCESS | {"seconds": 99.0}]), min_size=1
)
RUNS = st.dictionaries(st.sampled_from("abcd"), ROWS)


@given(RUNS)
def test_a_run_is_not_worse_than_itself(cases: dict[str, list[dict[str, Any]]]) -> None:
    """Compared with itself a run has no change at all."""
    assert compare(past("x", cases), past("x", cases), Tolerance(1.0, 0.0, 1.0, 0)).changes == ()


@pytest.mark.parametrize(
    ("options", "argv", "worse"),
    [
        ({"scenarios": [], "all": True}, (), 1),
        ({"scenarios": [], "shard": "1/2"}, (), 0),
        ({"scenarios": [], "words": ["x"]}, (), 0),
        ({"scenarios": ["scenarios/one.yaml"]}, (), 0),
        ({}, ("lockstep", "run", "--all"), 1),
        ({}, ("lockstep", "run", "--all", "--shard=1/2"), 0),
    ],
)
def test_gone_cases(options: dict[str, Any], argv: tuple[str, ...], worse: int) -> None:
    """A case that is gone is worse, unless the new run is a part by its own plan: then such cases are counted in a note."""
    old = replace(past("old", {"a": [SUCCESS], "b": [SUCCESS]}), options={"scenarios": [], "all": True})
    new = replace(past("new", {"a": [SUCCESS]}, argv=argv), options=options)
    found = compare(old, new, Tolerance())
    assert found.worse == worse
    assert any("1 cases of old were not dealt to new" in note for note in found.notes) != bool(worse)


@given(RUNS, RUNS)
def test_all_cases_are_looked_at(old: dict[str, list[dict[str, Any]]], new: dict[str, list[dict[str, Any]]]) -> None:
    """A case of only one run is told, and worse if it is gone; what is worse comes first; every kind has its word."""
    found = compare(past("old", old), past("new", new), Tolerance())
    lone = {change.case: change.kind for change in found.changes if change.kind.startswith("only-")}
    assert lone == {ident: "only-new" if ident in new else "only-old" for ident in {*old} ^ {*new}}
    assert all(change.worse == (change.kind == "only-old") for change in found.changes if change.case in lone)
    assert [change.worse for change in found.changes] == sorted((c.worse for c in found.changes), reverse=True)
    assert {change.kind for change in found.changes} <= set(KINDS)
    assert found.common == len({*old} & {*new})


@pytest.mark.parametrize(
    ("environment", "argv"),
    [({"cores": 64}, ()), ({"cores": 2, "gpus": [{"name": "H100"}]}, ()), (HERE, ("x", "--jobs", "4"))],
)
def test_times_of_other_machines(environment: dict[str, Any], argv: tuple[str, ...]) -> None:
    """Times on another machine, or with more cases at once, are not compared, and that is said; verdicts are."""
    slow = [SUCCESS | {"seconds": 1e4}]
    found = compare(
        past("old", {"a": [SUCCESS], "b": [SUCCESS]}), past("new", {"a": slow, "b": [HANG]}, environment, argv), Tolerance()
    )
    assert [change.kind for change in found.changes] == ["new-hang"]
    assert found.notes[0].startswith("times and memory are not compared: ")


def test_times_of_another_device() -> None:
    """A case that ran on the CPU and now on a GPU is judged by its verdict alone."""
    found = compare(
        past("old", {"a": [SUCCESS]}), past("new", {"a": [SUCCESS | {"device": "cuda", "seconds": 1e4}]}), Tolerance()
    )
    assert found.changes == ()
    assert found.notes == ("a: on cpu then, on cuda now; its times are not compared",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on disk: in the second a case hangs that did not, and another no longer does."""
    root = tmp_path_factory.mktemp("reports")
    for verdicts in ((hang(), success(), hang()), (hang(), hang(), success())):
        run = store(root)
        for number, (name, verdict) in enumerate(zip(NAMES, verdicts, strict=True)):
            run.record(CaseRecord(case(name), verdict, number == 0, [], "again", 1.0))
        run.path.rename(root / ("new" if (root / "old").exists() else "old"))
    return root


def test_command(runs: Path, tmp_path: Path) -> None:
    """Runs by name, folder or baseline file; text, JSON and Markdown; exit code 0 and 1; 2 for what is no run."""
    base = tmp_path / "base.json"
    with base.open("w") as out:
        rebuild(runs / "old", "baseline", out)
    reports = ("--reports", str(runs))
    done = lockstep("compare", "old", "new", *reports, check=1)
    assert f"WORSE new-hang\n      {NAMES[1]}\n      success -> hang (deadlock, proved)\n" in done.stdout
    assert f"      gone-hang         {NAMES[2]}: hang (deadlock, proved) -> success\n" in done.stdout
    assert done.stdout.endswith("3 cases in both: 1 changes for the worse, 1 others.\n")
    raw = json.loads(lockstep("compare", str(base), "new", "--json", *reports, check=1).stdout)
    assert [(change["kind"], change["worse"]) for change in raw["changes"]] == [("new-hang", True), ("gone-hang", False)]
    page = lockstep("compare", "old", str(runs / "new"), "--format", "md", *reports, check=1).stdout
    assert "| **worse** | new-hang | " in page
    assert lockstep("compare", "old", str(base), *reports, check=0).stdout.startswith("3 cases in both: 0 changes")
    assert "no such run" in lockstep("compare", "old", "nothing", *reports, check=2).stderr
    base.write_text("{}")
    assert "not a baseline" in lockstep("compare", "old", str(base), *reports, check=2).stderr
    assert "--tolerance is a ratio" in lockstep("compare", "old", "new", "--tolerance", "0.5", *reports, check=2).stderr


def test_recorded_baselines_can_be_read() -> None:
    """Those under version control, made by earlier versions, are read; a run does not differ from itself."""
    for path in sorted(Path("reports/baselines").glob("*.json")):
        one = read_past(str(path))
        assert one.timings()
        assert compare(one, replace(one, name="again"), Tolerance()).changes == ()
    with pytest.raises(ScenarioError, match="no such run"):
        read_past("nothing")


def test_page_stays_below_the_limit_of_a_summary() -> None:
    """A comparison of very many changes is cut row by row, those for the worse first, and says how many are missing."""
    changes = tuple(Change("new-hang", f"case[{n}]", "größer " * 40, n < 9000) for n in range(10_000))
    page = _markdown(Comparison("old", "new", 10_000, changes, ("note " * 100,) * 10_000))
    rows = re.findall(r"^\| (\*\*worse\*\*)? ?\| new-hang \| case.* \|$", page, re.MULTILINE)
    assert markdown.LIMIT_BYTES * 0.9 < len(page.encode()) < markdown.LIMIT_BYTES
    assert f"{10_000 - len(rows)} more changes" in page
    assert rows == ["**worse**"] * len(rows)
