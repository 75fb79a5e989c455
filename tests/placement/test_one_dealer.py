"""The same case on the same hosts runs in the same places, whichever command it is given to. The commands are real; what
would ask the hosts and launch there is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lockstep.harness.cli import main
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.answer import Answer
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.probe import facts
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.launch.survey import Told
from lockstep.harness.vocabulary import Cause, Outcome
from tests.bisect.test_bisect import own_handlers  # noqa: F401

pytestmark = pytest.mark.slow  # starts processes, or torch

SCENARIO = """\
name: program
source: none
summary: a program
engine: command
config: {{argv: [python, -c, pass], processes: {ranks}}}
expect: [{{outcome: success}}]
"""
HERE = Path.cwd()
SEEN: list[RankMap] = []


class Session:
    """Stands for a session: it notes where it would launch."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        (rank_map,) = [one for one in arguments if isinstance(one, RankMap)]
        SEEN.append(rank_map)

    def watch(self) -> Verdict:
        """Nothing was launched."""
        return Verdict(Outcome.INVALID, Cause.HARNESS, "nothing was launched")


def answers(launcher: Launcher, maps: Sequence[RankMap]) -> list[Told[Answer]]:
    """Every host is as this one, without GPUs."""
    return [Told(one.nodes[0].host, Answer({**facts(), "gpus": [], "visible": []}, ())) for one in maps]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits of nothing."""
    path = tmp_path_factory.mktemp("repository")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    git = ["git", "-C", str(path), *who]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    for number in range(2):
        (path / "file").write_text(str(number))
        subprocess.run([*git, "add", "file"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", str(number)], check=True)
    return path


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("own_handlers")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(1, 10))
@example([4, 8], 6)
@example([4, 4], 6)
def test_all_commands_deal_the_same(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: list[int], ranks: int
) -> None:
    """`watch`, `judge-commit`, `run` and `bisect`: one map of ranks, or none of them launches anything."""
    for name in ("campaign.run.CaseSession", "commands.watch.CaseSession"):
        monkeypatch.setattr(f"lockstep.harness.{name}", Session)
    monkeypatch.setattr("lockstep.harness.commands.site.survey_hosts", answers)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    scenario = tmp_path / "program.yaml"
    scenario.write_text(SCENARIO.format(ranks=ranks))
    hosts = ",".join(f"10.99.0.{number}:{count}" for number, count in enumerate(slots, 1))
    where = ["--hosts", hosts, "--interface", "lo"]
    folder = str(tmp_path / f"{len(list(tmp_path.iterdir()))}")
    commands = {
        "watch": ["watch", "-n", str(ranks), *where, "--reports", folder, "--", sys.executable, "-c", "pass"],
        "judge-commit": ["judge-commit", str(scenario), *where, "--reports", folder],
        "run": ["run", str(scenario), *where, "--jobs", "1", "--retries", "0", "--reports", folder],
        "bisect": [
            *["bisect", str(scenario), *where, "--state", f"{folder}/state"],
            *["--repo", str(repository), "--good", "main~1", "--bad", "main"],
        ],
    }
    found = {name: _maps(words, repository) for name, words in commands.items()}
    assert found["watch"] == found["judge-commit"] == found["run"] == found["bisect"], json.dumps(hosts)
    assert bool(found["run"]) == (ranks <= sum(slots))


def _maps(words: list[str], folder: Path) -> set[RankMap]:
    """Where a command would launch its case, in a checkout."""
    SEEN.clear()
    os.chdir(folder)
    try:
        main([*words])
    finally:
        os.chdir(HERE)
    return set(SEEN)
