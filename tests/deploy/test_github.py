"""deploy/github/lockstep.yml: GitHub's schema takes it, and its steps are run as its runner does."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockstep.harness.report.files import read_lines

from .checkout import BASELINE, DEPLOY, another_blame, run
from .schemas import complaints

FILE = DEPLOY / "github" / "lockstep.yml"
WORKFLOW: dict[str, Any] = yaml.safe_load(FILE.read_text())
JOB: dict[str, Any] = WORKFLOW["jobs"]["night"]
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")


class Runner:
    """A job's steps in order: a failed step ends those without a condition, and makes the job red."""

    def __init__(self, folder: Path, entry: dict[str, Any], number: int) -> None:
        self.folder = folder
        self.known = {f"matrix.{name}": value for name, value in entry.items()} | {
            "inputs.scenarios || '--all'": "--all",
            "github.run_id": str(number), "github.run_attempt": "1", "strategy.job-index": "0",
            "vars.PIP_EXTRA_INDEX_URL": "",
        }  # fmt: skip
        self.environment = {name: self.filled(value) for name, value in JOB["env"].items()}
        self.ran: dict[str, int] = {}
        self.said: dict[str, str] = {}
        self.summary: dict[str, str] = {}
        self.path: list[str] = []

    def filled(self, text: str) -> str:
        """A text with its expressions replaced; KeyError for one that this runner does not know."""
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: str(self.known[found[1]]), text)

    def wanted(self, condition: str | None) -> bool:
        """Whether a step's condition holds."""
        if condition is None:
            return not any(self.ran.values())
        terms = re.fullmatch(r"\$\{\{ (.*) \}\}", condition)
        assert terms
        return all(self._term(term) for term in terms[1].split(" && "))

    def _term(self, term: str) -> bool:
        if term == "!cancelled()":
            return True
        if outcome := re.fullmatch(r"steps\.(\w+)\.outcome != 'skipped'", term):
            (name,) = (step["name"] for step in JOB["steps"] if step.get("id") == outcome[1])
            return name in self.ran
        variable = re.fullmatch(r"env\.(\w+) != ''", term)
        assert variable, term
        return self.environment[variable[1]] != ""

    def go(self) -> None:
        """Run the steps that are commands."""
        for step in JOB["steps"]:
            if "run" not in step or not self.wanted(step.get("if")):
                continue
            name = step["name"]
            files = {key: self.folder.parent / f"{key}-{name}" for key in ("GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
            path = os.pathsep.join((*self.path, os.environ["PATH"]))
            given = {**self.environment, **{key: str(file) for key, file in files.items()}}
            done = run(SHELL, self.filled(step["run"]), self.folder, {**given, "PATH": path} if self.path else given)
            self.ran[name], self.said[name] = done.returncode, done.stdout + done.stderr
            self.path += files["GITHUB_PATH"].read_text().split() if files["GITHUB_PATH"].exists() else []
            if files["GITHUB_STEP_SUMMARY"].exists():
                self.summary[name] = files["GITHUB_STEP_SUMMARY"].read_text()
                files["GITHUB_STEP_SUMMARY"].unlink()


def test_schema() -> None:
    """The workflow is one by GitHub's own schema; a step of an unknown form is not."""
    assert complaints("github-workflows", FILE) == ""


def test_a_broken_file_is_noticed(tmp_path: Path) -> None:
    """The schema is strict enough to find a key that does not exist."""
    (tmp_path / "a.yml").write_text(FILE.read_text().replace("timeout-minutes", "time-out"))
    assert "time-out" in complaints("github-workflows", tmp_path / "a.yml")


@pytest.mark.timeout(240)
def test_a_red_night(checked_out: Path, tmp_path: Path) -> None:
    """The job fails with the night's exit code; summary, comparison and textfile are made all the same."""
    entry = next(one for one in JOB["strategy"]["matrix"]["include"] if one["device"] == "cpu")
    textfiles = tmp_path / "textfiles"
    textfiles.mkdir()
    job = Runner(checked_out, {**entry, "baseline": BASELINE, "textfiles": str(textfiles)}, 7)
    with another_blame(checked_out):
        job.go()
    wanted = {"Install": 0, "Check the machine": 0, "Run": 4, "Annotations": 0, "Summary": 0}
    assert job.ran == {**wanted, "Compare with the baseline": 1, "Prometheus": 0}, job.said
    assert "::error file=scenarios/planted-hangs.yaml,line=1,title=planted-hangs" in job.said["Annotations"]
    assert "PLANTED DEADLOCK NOT DETECTED" in job.summary["Summary"]
    compared = job.summary["Compare with the baseline"]
    assert "1 cases in both: 1 changes for the worse" in compared
    assert "| **worse** | changed-expectation | planted-hangs" in compared
    assert 'lockstep_run_exit_code{device="cpu",shard="1/2"} 4' in (textfiles / "lockstep-cpu-1.prom").read_text()
    (line,) = read_lines(checked_out / "reports/runs/night-7-1-0/cases.jsonl")
    assert line["outcome"] == "hang"


def test_a_failed_setup(tmp_path: Path) -> None:
    """Its own error is the only one: no step without which there is nothing to report runs."""
    (tmp_path / "Makefile").write_text("env:\n\t@echo no index answers; exit 7\n")
    entry = JOB["strategy"]["matrix"]["include"][0]
    job = Runner(tmp_path, {**entry, "baseline": BASELINE, "textfiles": "x"}, 7)
    job.go()
    assert list(job.ran) == ["Install"]
    assert job.ran["Install"] != 0
    (upload,) = (step for step in JOB["steps"] if "upload-artifact" in step.get("uses", ""))
    assert not job.wanted(upload["if"])


def test_uploads() -> None:
    """What is uploaded is the folder of the run, under a name that no other job of the night has."""
    (upload,) = (step["with"] for step in JOB["steps"] if "upload-artifact" in step.get("uses", ""))
    assert upload["path"] == "reports/runs/${{ env.LOCKSTEP_RUN }}"
    entries = JOB["strategy"]["matrix"]["include"]
    assert len({(one["device"], one["shard"]) for one in entries}) == len(entries)
    assert "strategy.job-index" in upload["name"]
    assert int(JOB["env"]["LOCKSTEP_BUDGET"]) < 60 * JOB["timeout-minutes"]
