"""A small folder of programs, run as a user would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.suite.__main__ import chosen, main
from benchmarks.suite.table import load
from benchmarks.suite.watching import compiler

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.timeout(300)
def test_programs_are_judged_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Python, C and a command; what was judged is not run again; a source that cannot be built counts nowhere."""
    results = tmp_path / "results.jsonl"
    words = [str(PROGRAMS), "--results", str(results), "--jobs", "2", "--deadline", "60", "--timeout", "90", "--json"]
    assert main(words) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["matrix"]["correct"] == {"success": 2}, captured.err
    assert found["matrix"]["call ordering"] == {"hang proved": 1}
    assert (found["deadlocks"]["recall"], found["blame_right"]["right"], found["proved"]["right"]) == (1, 1, 1)
    told = "crash" if compiler() else "not judged"
    assert found["matrix"]["exit status"] in ({told: 1, "not judged": 1}, {"not judged": 2})
    assert main(words) == 0
    again = capsys.readouterr()
    assert json.loads(again.out) == {**found, "seed": json.loads(again.out)["seed"]}
    assert " 0 of them to run" in again.err


def test_a_smaller_sample_is_the_beginning_of_a_larger_one() -> None:
    """So that what was judged of it counts when more is drawn with the same seed; another seed draws others."""
    programs = load(PROGRAMS)
    assert chosen(programs, [], 3, 7) == chosen(programs, [], 5, 7)[:3]
    assert len({tuple(one.name for one in chosen(programs, [], 2, seed)) for seed in range(20)}) > 1
    assert chosen(programs, ["correct"], None, 7) == [program for program in programs if program.correct]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        ([str(PROGRAMS), "--sample", "9"], "--sample 9: give a number from 1 to 5"),
        (
            [str(PROGRAMS), "--category", "races"],
            "--category races: the table has none of it; it has call ordering, correct",
        ),
        ([str(PROGRAMS), "--launcher", "ssh"], "--launcher ssh: give auto, hydra or prrte"),
        ([str(PROGRAMS), "--deadline", "200"], "--timeout must be longer than --deadline"),
        ([str(PROGRAMS), "--jobs", "0"], "--jobs: give 1 or more"),
    ],
)
def test_a_mistake_is_no_traceback(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what to do."""
    assert main(words) == 2
    assert said in capsys.readouterr().err
