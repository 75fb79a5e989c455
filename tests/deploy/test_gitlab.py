"""deploy/gitlab/.gitlab-ci.yml: GitLab's schema takes it, and its scripts are run as its runner does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from junitparser import JUnitXml

from .checkout import BASELINE, DEPLOY, run
from .schemas import complaints

FILE = DEPLOY / "gitlab" / ".gitlab-ci.yml"
PIPELINE: dict[str, Any] = yaml.safe_load(FILE.read_text())
GIVEN = {"CI_JOB_ID": "11", "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "2"}


def variables(job: str, **more: str) -> dict[str, str]:
    """What a job's script finds in its environment: the pipeline's variables, the job's, and GitLab's own, expanded."""
    given = {**PIPELINE["variables"], **PIPELINE[".night"]["variables"], **PIPELINE[job]["variables"], **GIVEN, **more}
    return {name: re.sub(r"\$(CI_\w+)", lambda found: GIVEN[found[1]], str(value)) for name, value in given.items()}


def script(lines: Sequence[str]) -> str:
    """The lines of a script as the runner joins them: one shell, which ends at the first that fails."""
    return "\n".join(("set -eo pipefail", *lines))


def expanded(folder: Path, pipeline: dict[str, Any]) -> Path:
    """The pipeline with what its jobs extend in them, as a file: the schema does not look into what begins with a dot."""
    jobs = {
        name: {**pipeline[".night"], **job, "variables": {**pipeline[".night"]["variables"], **job["variables"]}}
        for name, job in pipeline.items()
        if name in ("cpu", "cuda")
    }
    path = folder / "pipeline.yml"
    path.write_text(yaml.safe_dump({**pipeline, **jobs}))
    return path


def test_schema(tmp_path: Path) -> None:
    """The pipeline is one by GitLab's own schema, as it stands and with its jobs expanded."""
    assert complaints("gitlab-ci", FILE) == ""
    assert complaints("gitlab-ci", expanded(tmp_path, PIPELINE)) == ""


def test_a_broken_file_is_noticed(tmp_path: Path) -> None:
    """The schema is strict enough to find a value that does not exist."""
    pipeline = yaml.safe_load(FILE.read_text().replace("when: always", "when: sometimes"))
    assert "sometimes" in complaints("gitlab-ci", expanded(tmp_path, pipeline))


@pytest.mark.timeout(240)
def test_a_green_night(checked_out: Path, tmp_path: Path) -> None:
    """The job passes; what GitLab takes as reports is there, and the collector has its file."""
    given = variables("cpu", LOCKSTEP_BASELINE=BASELINE, LOCKSTEP_TEXTFILES=str(tmp_path))
    done = run(("bash", "-c"), script(PIPELINE[".night"]["script"]), checked_out, given)
    assert done.returncode == 0, done.stderr
    assert "1 cases in both: 0 changes for the worse" in done.stdout
    after = run(("bash", "-c"), script(PIPELINE[".night"]["after_script"]), checked_out, given)
    assert after.returncode == 0, after.stderr
    assert "1 case: 1 as expected" in after.stderr
    artifacts = PIPELINE[".night"]["artifacts"]
    junit = checked_out / artifacts["reports"]["junit"].replace("$CI_JOB_ID", "11")
    assert JUnitXml.fromfile(str(junit)).tests == 1
    assert [checked_out / path.replace("$CI_JOB_ID", "11") for path in artifacts["paths"]] == [junit.parent]
    quality = checked_out / artifacts["reports"]["codequality"].replace("$CI_JOB_ID", "11")
    assert json.loads(quality.read_text()) == []
    assert 'shard="2/2"} 0' in (tmp_path / "lockstep-cpu-2.prom").read_text()


@pytest.mark.timeout(240)
def test_exit_codes(tmp_path: Path) -> None:
    """The job ends with the exit code of the night, else with that of the comparison, which runs in either case."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "activate").write_text(f"PATH={folder}:$PATH\n")
    (folder / "lockstep").write_text('#!/bin/sh\necho "$1"\ncase $1 in run) exit $NIGHT;; compare) exit $WORSE;; esac\n')
    (folder / "lockstep").chmod(0o755)
    (tmp_path / "Makefile").write_text("env:\n")
    found = {}
    for night, worse in ((0, 0), (4, 0), (0, 1), (5, 1)):
        given = variables("cpu", LOCKSTEP_BASELINE="x", NIGHT=str(night), WORSE=str(worse))
        done = run(("bash", "-c"), script(PIPELINE[".night"]["script"]), tmp_path, given)
        assert done.stdout.split()[-3:] == ["doctor", "run", "compare"]
        found[night, worse] = done.returncode
    assert found == {(0, 0): 0, (4, 0): 4, (0, 1): 1, (5, 1): 5}


def test_a_failed_setup(tmp_path: Path) -> None:
    """Its own error is the only one: what comes after says nothing, and does not fail."""
    (tmp_path / "Makefile").write_text("env:\n\t@echo no index answers; exit 7\n")
    given = variables("cpu")
    done = run(("bash", "-c"), script(PIPELINE[".night"]["script"]), tmp_path, given)
    assert done.returncode != 0
    assert "no index answers" in done.stdout
    after = run(("bash", "-c"), script(PIPELINE[".night"]["after_script"]), tmp_path, given)
    assert (after.returncode, after.stdout, after.stderr) == (0, "", "")


def test_only_a_lost_runner_is_tried_again() -> None:
    """A red night is never run again into a green one, and ends before GitLab ends it."""
    assert PIPELINE[".night"]["retry"] == {"max": 1, "when": "runner_system_failure"}
    assert "script_failure" not in FILE.read_text()
    hours, minutes = re.fullmatch(r"(\d+)h (\d+)m", PIPELINE[".night"]["variables"]["RUNNER_SCRIPT_TIMEOUT"]).groups()  # type: ignore[union-attr]
    assert int(PIPELINE["variables"]["LOCKSTEP_BUDGET"]) < 3600 * int(hours) + 60 * int(minutes) < 4 * 3600
