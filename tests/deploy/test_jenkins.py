"""deploy/jenkins/Jenkinsfile: its shell steps are run as they stand; with Groovy, the whole file is (make test-deploy)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from junitparser import JUnitXml

from .checkout import BASELINE, DEPLOY, another_blame, run

FILE = DEPLOY / "jenkins" / "Jenkinsfile"
TEXT = FILE.read_text()
SH = re.findall(r"\bsh '''\n(.*?)'''", TEXT, re.DOTALL)
JENKINS = ("sh", "-xec")
GROOVY = Path(__file__).parent / "jenkins.groovy"


def defaults() -> dict[str, str]:
    """The parameters with their default values."""
    found = dict(re.findall(r"string\(name: '(\w+)', defaultValue: '([^']*)'", TEXT))
    assert len(found) == TEXT.count("string(")
    return found


@pytest.mark.timeout(240)
def test_shell_steps(checked_out: Path) -> None:
    """Every `sh` step, in order, in a green night; the parameters are the file's own, with a baseline."""
    assert len(SH) == len(re.findall(r"\bsh\b ['\"]", TEXT)) == 4
    assert "\\" not in TEXT  # or Groovy would give the shell another text than stands here
    given = {
        **defaults(),
        "LOCKSTEP_BASELINE": BASELINE,
        "BUILD_NUMBER": "5",
        "LOCKSTEP_DEVICE": "cpu",
        "LOCKSTEP_SHARD": "2/2",
    }
    said = []
    for text in SH:
        done = run(JENKINS, text, checked_out, given)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout + done.stderr)
    assert "1 case: 1 as expected" in said[1]
    assert "0 changes for the worse" in said[2]
    assert "1 case: 1 as expected" in said[3]
    assert JUnitXml.fromfile(str(checked_out / "reports/runs/night-5-cpu-2/junit.xml")).tests == 1


def test_a_failed_setup(tmp_path: Path) -> None:
    """Its own error is the only one: what comes after says nothing, and does not fail."""
    (tmp_path / "Makefile").write_text("env:\n\t@echo no index answers; exit 7\n")
    given = {**defaults(), "BUILD_NUMBER": "5", "LOCKSTEP_DEVICE": "cpu", "LOCKSTEP_SHARD": "2/2"}
    assert run(JENKINS, SH[0], tmp_path, given).returncode != 0
    after = run(JENKINS, SH[3], tmp_path, given)
    assert (after.returncode, after.stdout) == (0, "")
    always = TEXT[TEXT.index("always {") :]
    assert "allowEmptyResults: true" in always
    assert "allowEmptyArchive: true" in always


def test_braces() -> None:
    """Every brace is closed; what publishes runs whatever became of the night."""
    bare = re.sub(r"'''.*?'''|'[^'\n]*'|\"[^\"\n]*\"|//[^\n]*", "", TEXT, flags=re.DOTALL)
    depth = 0
    for letter in bare:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    always = TEXT[TEXT.index("always {") :]
    assert 'testResults: "reports' in always
    assert "archiveArtifacts" in always


@pytest.mark.deploy
@pytest.mark.timeout(300)
def test_whole_file(checked_out: Path) -> None:
    """Groovy runs the file itself: a green night without a baseline, and a red one after which all else is still done."""
    groovy = shutil.which("groovy")
    assert groovy, "install Debian's groovy"
    home = Path(os.path.realpath(shutil.which("java") or "")).parents[1]
    given = {"JAVA_HOME": str(home), "LOCKSTEP_DEVICE": "cpu", "LOCKSTEP_SHARD": "1/2"}

    def build(number: int, **more: str) -> subprocess.CompletedProcess[str]:
        return run((groovy, str(GROOVY)), str(FILE), checked_out, {**given, "BUILD_NUMBER": str(number), **more})

    done = build(21)
    words = [line for line in done.stdout.splitlines() if not line.startswith("  ")]
    wanted = ["stage Night", "label: lockstep-cpu", "stage Install", "stage Run", "stage Compare", "skipped", "junit: found"]
    assert words[:7] == wanted, done.stdout + done.stderr
    assert words[-1] == "SUCCESS"
    with another_blame(checked_out):
        done = build(22, LOCKSTEP_BASELINE=BASELINE)
    assert "sh ended with 4" in done.stdout
    assert "1 changes for the worse" in done.stdout
    assert "junit: found" in done.stdout
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "FAILURE")
