"""Nights with real ranks: continued after a kill, retried, short of budget, blind to a planted hang; and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.cli import main
from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from lockstep.harness.report.evidence import KILLED
from lockstep.harness.report.files import held
from lockstep.harness.report.store import LOCK
from tests.campaign.test_command_line import SCENARIO, lockstep
from tests.watchdog.test_teardown import hear_interrupts

PLANTED = "scenarios/control/planted-hangs.yaml"


def copy(folder: Path) -> Path:
    """The two small cases, in a file that may change."""
    path = folder / "two-ranks.yaml"
    path.write_text(Path(SCENARIO).read_text())
    return path


@pytest.mark.timeout(300)
def test_a_killed_run_is_continued(tmp_path: Path) -> None:
    """The judged case keeps its verdict file, the other runs in the same folder, where what the kill left stays."""
    scenario, reports = copy(tmp_path), tmp_path / "runs"
    program = str(Path(sys.executable).parent / "lockstep")
    words = [program, "run", str(scenario), "--reports", str(reports), "--run-id", "r"]
    mark = f"{os.getpid()}-resume"
    environment = {**os.environ, "LOCKSTEP_TEST_MARK": mark}
    head = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment, preexec_fn=hear_interrupts)
    assert wait_until(lambda: len(list(reports.glob("r/cases/*/rank-0.events"))) == 2, 100)
    head.send_signal(signal.SIGKILL)
    head.wait(60)
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 60)
    (first,) = reports.glob("r/cases/*none*/verdict.json")
    judged = first.read_bytes()

    with held(reports / "r" / LOCK):
        assert "run r is still going on" in lockstep("run", "--resume", "r", "--reports", str(reports), check=2).stderr
    text = scenario.read_text()
    scenario.write_text(text.replace("deadline_s: 60", "deadline_s: 61"))
    done = lockstep("run", "--resume", "r", "--reports", str(reports), check=2)
    assert "run r cannot be continued, as it would be another one:" in done.stderr
    assert "two-ranks[guards.generation_capture=none] has changed since" in done.stderr
    scenario.write_text(text)
    done = lockstep("run", str(scenario), "-k", "none", "--resume", "r", "--reports", str(reports), check=2)
    assert "two-ranks[guards.generation_capture=assert] is planned and would not be run now" in done.stderr

    done = lockstep("run", "--resume", "r", "--reports", str(reports), "--json", check=0)
    assert "1 of 2 cases are judged and kept" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["outcome"], line["ok"], line["attempts"]) for line in lines] == [("hang", True, 1), ("raise", True, 2)]
    assert lines[1]["attempt_texts"] == f"attempt 1: {KILLED}"
    assert len(list(reports.glob("r/cases/*/attempt-1/rank-0.events"))) == 1
    assert first.read_bytes() == judged
    assert [path.name for path in reports.iterdir() if not path.is_symlink()] == ["r"]
    assert "2 of 2 cases are judged and kept" in lockstep("run", "--resume", "r", "--reports", str(reports), check=0).stderr


def test_a_night_that_misses_a_planted_hang(tmp_path: Path) -> None:
    """Ranks that have no time to start are tried again, no more often than allowed; the night is red with its own code."""
    values = ("--set", "limits.launch_s=0.001", "--retries", "2", "-k", "no-fault", "--reports", str(tmp_path))
    path = tmp_path / "planted.yaml"
    text = Path(PLANTED).read_text().partition("    - [{kind: kill")[0]
    path.write_text(f"{text}expect:\n  - {{outcome: hang, cause: deadlock, proved: true, blame: [1]}}\n")
    done = lockstep("run", str(path), "--nightly", "--json", *values, check=4)
    said = " ".join(done.stderr.split())
    assert "PLANTED DEADLOCK NOT DETECTED: planted-hangs[faults=no-fault] (invalid (launch))" in said
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["outcome"], line["cause"], line["attempts"], line["planted"]) == ("invalid", "launch", 3, True)
    (verdict,) = (json.loads(path.read_text()) for path in tmp_path.glob("2*/cases/*/verdict.json"))
    assert [(one["number"], one["cause"], one["folder"]) for one in verdict["attempts"]] == [
        (1, "launch", "attempt-1"), (2, "launch", "attempt-2"),
    ]  # fmt: skip


def test_no_budget(tmp_path: Path) -> None:
    """Cases that do not fit are not run and not passed: exit code 5, nothing launched, and they can be run later."""
    done = lockstep("run", SCENARIO, "--budget", "0.5", "--reports", str(tmp_path), "--run-id", "r", check=5)
    assert "2 cases: 0 as expected, 0 not as expected, 0 could not be judged, 2 not run." in done.stderr
    assert list((tmp_path / "r" / "cases").iterdir()) == []
    again = lockstep("report", str(tmp_path / "r"), "--format", "json", check=0)
    assert {json.loads(line)["outcome"] for line in again.stdout.splitlines()} == {"not run"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "say what to run"),
        (f"{SCENARIO} --all", "leave out either"),
        ("--resume r -k a --nightly", "leave out -k, --nightly"),
        ("--resume r", "r: no such run"),
        (f"{SCENARIO} --shard 3/2", "give I/N"),
        (f"{SCENARIO} --repeat 0", "--repeat 0: give a number from 1 on"),
        (f"{SCENARIO} --retries -1", "--retries -1: give a number from 0 on"),
        (f"{SCENARIO} --budget 0", "--budget 0: give a number of seconds above 0"),
        (f"{SCENARIO} --timings gone", "gone: no such run"),
        (f"{SCENARIO} --waives gone.yaml", "gone.yaml:1:1: cannot be read"),
        (f"{SCENARIO} --nightly", "a night without tells nothing"),
        (f"{SCENARIO} --shard 5/9 --device cpu", "shard 5/9 has no case: there are 2 in all"),
    ],
)
def test_refused(words: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be meant is exit code 2 with what to do; no run is made."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["run", *words.split(), "--reports", str(tmp_path / "runs")]) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert text in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_shards_of_all(tmp_path: Path) -> None:
    """Two machines that are given the same baseline deal alike: the same fingerprint, and no budget is spent to see it."""
    found = []
    for index in (1, 2):
        words = ("--shard", f"{index}/2", "--timings", "reports/baselines/h100.json", "--budget", "0.001")
        done = lockstep(
            "run", "--all", "--device", "cpu", *words, "--reports", str(tmp_path), "--run-id", f"s{index}", check=5
        )
        (deal,) = [word for line in done.stderr.splitlines() if line.startswith("shard ") for word in line.split(", ")[1:2]]
        found.append(deal)
    assert found[0] == found[1]
    plans = [json.loads((tmp_path / f"s{index}" / "run.json").read_text())["plan"] for index in (1, 2)]
    ids = [{entry["id"] for entry in plan} for plan in plans]
    assert not ids[0] & ids[1]
    assert abs(len(ids[0]) - len(ids[1])) < len(ids[0])
