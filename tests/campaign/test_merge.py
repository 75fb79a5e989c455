"""Shards and artifacts merged into one night: its reports, baseline, comparison and history are those of a whole one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness import cli
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.history import history_frame, update
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from tests.report.samples import ENVIRONMENT, case, hang, success


def shard(root: Path, name: str, found: Mapping[str, Verdict | None], number: str, **more: Any) -> Path:
    """A run that is one shard: planted hangs are called `planted`; without a verdict a case was not judged."""
    plan = [PlannedCase(replace(case(one), **more), planted=one == "planted") for one in found]
    run = RunStore.create(root, name, ["lockstep"], ENVIRONMENT, plan, {"shard": number, "scenarios": []})
    for one, verdict in found.items():
        if verdict is not None:
            ok = verdict.outcome == hang().outcome
            run.record(CaseRecord(replace(case(one), **more), verdict, ok, [] if ok else ["outcome"], "again", 1.0))
    return run.path


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Two shards of one night, `one` and `two`; both have the planted hang."""
    shard(tmp_path, "one", {"planted": hang(), "a": hang(), "b": None}, "1/2")
    shard(tmp_path, "two", {"planted": hang(), "c": hang()}, "2/2")
    return tmp_path


def test_one_night(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every case is there, the planted one as often as it was run; evidence and reports are whole."""
    (night / "one" / "cases" / "a" / "rank-0.log").write_text("said")
    assert cli.main(["merge", "one", "two", "--reports", str(night), "--run-id", "whole"]) == 1
    run = RunStore.open(night / "whole")
    assert [(line.case, line.repetition, line.standing) for line in run.lines] == [
        ("planted", 1, "expected"), ("planted", 2, "expected"), ("a", 1, "expected"), ("b", 1, "invalid"),
        ("c", 1, "expected"),
    ]  # fmt: skip
    assert (night / "whole" / "cases" / "a" / "rank-0.log").read_text() == "said"
    assert 'tests="4"' in (night / "whole" / "junit.xml").read_text()
    assert "3 as expected" in (night / "whole" / "summary.md").read_text()
    assert run.run["options"]["shard"] is None
    assert capsys.readouterr().err.count("missing") == 0


def test_what_another_shard_judged_counts(night: Path) -> None:
    """A case that one run could not judge and another one has is as that one says."""
    shard(night, "later", {"b": success()}, "1/2")
    assert cli.main(["merge", "one", "two", "later", "--reports", str(night), "--run-id", "whole"]) == 1
    lines = {line.case: line for line in RunStore.open(night / "whole").lines}
    assert (lines["b"].outcome, lines["b"].standing) == ("success", "unexpected")


def test_a_planted_hang_that_one_shard_missed(night: Path) -> None:
    """Turns the whole night red."""
    shard(night, "bad", {"planted": success()}, "2/2")
    assert cli.main(["merge", "one", "bad", "--reports", str(night)]) == 4


def test_a_night_without_a_shard(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said which is missing, and a comparison takes the rest for the part that it is."""
    cli.main(["merge", "one", "--reports", str(night), "--run-id", "half"])
    assert "shard 2/2 is missing: this is a part of the night" in capsys.readouterr().err
    cli.main(["merge", "half", "two", "--reports", str(night), "--run-id", "whole"])
    assert "missing" not in capsys.readouterr().err
    assert cli.main(["compare", "whole", "half", "--reports", str(night)]) == 0
    assert "1 cases of whole were not dealt to half" in capsys.readouterr().out
    assert cli.main(["compare", "half", "whole", "--reports", str(night)]) == 0


def test_shards_of_two_nights(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What both dealt is compared; what either alone has is counted, and is neither gone nor new."""
    assert cli.main(["compare", "one", "two", "--reports", str(night)]) == 0
    said = capsys.readouterr().out
    assert "2 cases of one were not dealt to two" in said
    assert "1 cases of two were not dealt to one" in said
    assert "only-new" not in said


def test_what_is_gone_from_a_merged_night(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is worse: both nights are whole."""
    cli.main(["merge", "one", "two", "--reports", str(night), "--run-id", "whole"])
    shard(night, "less", {"planted": hang()}, "1/2")
    cli.main(["merge", "less", "two", "--reports", str(night), "--run-id", "later"])
    capsys.readouterr()
    assert cli.main(["compare", "whole", "later", "--reports", str(night)]) == 1
    assert "only-old" in capsys.readouterr().out


def test_the_history_counts_each_launch_once(night: Path) -> None:
    """Where the shards are kept beside the whole they are counted, and where they are not it is."""
    cli.main(["merge", "one", "two", "--reports", str(night), "--run-id", "whole"])
    frame = history_frame(update(night))
    assert sorted(frame.case) == ["a", "b", "c", "planted", "planted"]
    for name in ("one", "two"):
        shutil.rmtree(night / name)
    assert sorted(history_frame(update(night, rebuild=True)).case) == ["a", "b", "c", "planted", "planted"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": {**ENVIRONMENT, "commit": "abc"}}, "of several commits of Lockstep (one: not known; two: abc)"),
        ({"schema": "other"}, "schema is not 'lockstep.run/1'"),
    ],
)
def test_runs_that_are_not_of_one_night(
    change: dict[str, Any], said: str, night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are refused, with why."""
    path = night / "two" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert cli.main(["merge", "one", "two", "--reports", str(night)]) == 2
    assert said in capsys.readouterr().err


def test_another_case_of_the_same_name(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the shards of two devices have them."""
    shard(night, "gpu", {"a": hang()}, "2/2", spec={"device": "cuda"})
    assert cli.main(["merge", "one", "gpu", "--reports", str(night)]) == 2
    assert "a is not the same case in gpu, one (another device, or another scenario)" in capsys.readouterr().err
    assert cli.main(["merge", "one", "one", "--reports", str(night)]) == 2


def test_no_launch_counts_twice(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shard beside a night that was made of it, or beside a copy of it, is refused; so it is behind several merges."""
    cli.main(["merge", "one", "--reports", str(night), "--run-id", "half"])
    cli.main(["merge", "half", "two", "--reports", str(night), "--run-id", "whole"])
    shutil.copytree(night / "two", night / "elsewhere" / "two")
    capsys.readouterr()
    for words in (["whole", "two"], ["one", "whole"], ["half", "one"], ["half", "whole"]):
        assert cli.main(["merge", *words, "--reports", str(night), "--run-id", "new"]) == 2
        assert f"{words[1]} and {words[0]} both have the launches of " in capsys.readouterr().err
    assert cli.main(["merge", "two", str(night / "elsewhere" / "two"), "--reports", str(night), "--run-id", "new"]) == 2
    assert "two of these runs have the launches of two; leave one of them out" in capsys.readouterr().err
    assert not (night / "new").exists()
