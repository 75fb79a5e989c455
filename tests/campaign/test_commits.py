"""The commit of each case is that of the code which its ranks run, by real git."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from lockstep.engines.command.plugin import ENGINE as COMMAND
from lockstep.harness.campaign.commits import with_commits
from lockstep.harness.launch.commit import commit_of, state_of
from lockstep.harness.report.history import history_frame, rates, update
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.load import load_all
from tests.report.samples import hang, success
from tests.source.test_bisect import commits, git
from tests.source.trees import ALONE, TOGETHER, engine_tree


def of(engine: str, tree: Path) -> Case:
    """A case of an engine that runs the code in `tree`."""
    if engine == "source":
        return load_all(["tests/source/base.yaml"], {"config.tree": str(tree)})[0]
    (case,) = load_all(["tests/source/base.yaml"])
    config = {"argv": ["python", "program.py"], "env": {}, "cwd": str(tree)}
    return replace(case, engine="command", spec={"config": config})


def test_of_the_tree_under_test(tmp_path: Path) -> None:
    """Of a source tree, of a command's folder, and of the minimal engine; another commit is another row of the history."""
    tree = tmp_path / "upstream"
    older, newer = commits(tree, [(engine_tree, TOGETHER), (engine_tree, ALONE)])
    own = load_all(["tests/campaign/two_ranks.yaml"])[0]
    cases = [of("source", tree), of("command", tree), own]
    found = [one.engine_commit for one in with_commits(map(PlannedCase, cases))]
    assert found == [newer, newer, state_of(Path("engines"))]
    for name, sha, verdict in (("r1", older, success()), ("r2", newer, hang())):
        git(tree, "checkout", "-q", sha)
        store = RunStore.create(
            tmp_path / "runs", name, [], {"commit": "of the harness"}, with_commits([PlannedCase(cases[0])])
        )
        store.record(CaseRecord(cases[0], verdict, name == "r1", [], "again", 1.0))
    table = rates(history_frame(update(tmp_path / "runs")))
    assert table[["engine_commit", "failed", "launches"]].values.tolist() == [[older, 0, 1], [newer, 1, 1]]


def test_of_a_folder(tmp_path: Path) -> None:
    """Changed files are marked; new ones are not; a folder that git does not track has no commit, wherever it lies."""
    tree = tmp_path / "upstream"
    (sha,) = commits(tree, [(engine_tree, ALONE)])
    assert (commit_of(tree), state_of(tree), state_of(tree / "tensorrt_llm")) == (sha, sha, sha)
    (tree / "new").mkdir()
    (tree / "new" / "file").write_text("")
    assert (state_of(tree), state_of(tree / "new")) == (sha, "")
    (tree / "NEWS").write_text("changed")
    assert (state_of(tree), state_of(tree / "tensorrt_llm"), commit_of(tree)) == (f"{sha}-dirty", sha, sha)
    assert (state_of(tmp_path), state_of(tmp_path / "gone")) == ("", "")
    subprocess.run(["git", "init", "-q", str(tmp_path / "empty")], check=True)
    assert state_of(tmp_path / "empty") == ""


def test_of_a_command_without_a_folder() -> None:
    """It runs where lockstep does."""
    assert COMMAND.tree({"config": {"argv": ["x"], "env": {}, "cwd": None}}) == "."
