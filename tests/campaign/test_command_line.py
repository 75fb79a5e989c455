"""The command line with real ranks: exit codes, what is printed, what is on disk, also after the head was killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from lockstep.harness.report.frame import cases_frame, events_frame
from tests.watchdog.test_teardown import hear_interrupts

SCENARIO = "tests/campaign/two_ranks.yaml"
TIMEOUT_S = 100


def lockstep(*arguments: str, check: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    command = [str(Path(sys.executable).parent / "lockstep"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if check is not None:
        assert done.returncode == check, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One run of the two cases."""
    root = tmp_path_factory.mktemp("reports")
    done = lockstep("run", SCENARIO, "--reports", str(root), "--run-id", "one", "--json", check=0)
    return root / "one", done


def test_run_prints_a_table_for_people_and_lines_for_programs(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """The table with outcome, cause and blamed rank is on stderr; stdout holds one JSON object a case."""
    _, done = run
    assert "hang" in done.stderr
    assert "deadlock, proved" in done.stderr
    assert "rank 1: generation_capture" in done.stderr
    assert "2 cases: 2 as expected" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["outcome"], line["ok"]) for line in lines] == [("hang", True), ("raise", True)]


def test_reports_of_a_run(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """The folder holds verdicts, JUnit, Markdown, logs, stacks and event logs; pandas reads the cases and the events."""
    folder, _ = run
    frame = cases_frame(folder)
    assert list(frame["outcome"]) == ["hang", "raise"]
    suite = ET.parse(folder / "junit.xml").getroot()
    assert len(list(suite.iter("testcase"))) == 2
    assert list(suite.iter("failure")) == []
    assert "two-ranks" in (folder / "summary.md").read_text()
    hung = folder / "cases" / frame["slug"][0]
    verdict = json.loads((hung / "verdict.json").read_text())
    assert {"launcher.log", "rank-0.events", "rank-1.events", "stacks/rank-0.txt"} <= set(verdict["evidence"])
    assert "allgather" in (hung / "stacks" / "rank-0.txt").read_text() + (hung / "stacks" / "rank-1.txt").read_text()
    events = events_frame(hung, 1)
    assert "generation_capture" in set(events["phase"])
    assert "expect" not in json.dumps(json.loads((hung / "case.json").read_text())["spec"])


def test_rerun_command_runs_exactly_that_case(run: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """The command in a verdict runs its case, alone, to the same signature."""
    folder, _ = run
    first = json.loads(next((folder / "cases").glob("*none*/verdict.json")).read_text())
    words = shlex.split(first["rerun"])
    assert words[0] == "lockstep"
    done = lockstep(*words[1:], "--reports", str(tmp_path), "--json", check=0)
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["case"], line["signature"]) == (first["case"], first["signature"])


def test_unexpected_verdict_is_exit_1(tmp_path: Path) -> None:
    """A verdict that differs from the expectation makes exit code 1, and the summary says in what."""
    values = ["--set", "kv_capacity.blocks=16", "-k", "none"]
    done = lockstep("run", SCENARIO, *values, "--reports", str(tmp_path), check=1)
    lines = done.stderr.splitlines()
    (case,) = (number for number, row in enumerate(lines) if row.startswith("NOT AS EXPECTED"))
    differs, text, again = lines[case + 1 : case + 4]
    assert differs.startswith("    outcome: expected hang, got success")
    assert text == "    All 2 ranks finished every phase."
    assert again.startswith(f"    again: lockstep run {SCENARIO} --case ")
    assert "outcome: expected hang, got success" in next(tmp_path.glob("2*/summary.md")).read_text()


def test_bad_input_is_exit_2_and_launches_nothing(tmp_path: Path) -> None:
    """A mistake in a scenario is said with file, line and column; no run is made."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(Path(SCENARIO).read_text().replace("max_batch_size", "max_batch_sise"))
    done = lockstep("run", str(bad), "--reports", str(tmp_path / "runs"), check=2)
    assert f"{bad}:7:3: config.max_batch_sise: unknown key; did you mean max_batch_size?" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_nothing_judged_is_exit_3(tmp_path: Path) -> None:
    """When no case can be judged (here: the ranks have no time to start) the exit code is 3, never good or bad."""
    values = ["--set", "limits.launch_s=0.001", "--reports", str(tmp_path)]
    done = lockstep("run", SCENARIO, *values, check=3)
    assert "invalid" in done.stderr
    assert "doctor" in done.stderr


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_report_after_the_head_was_ended(signum: signal.Signals, tmp_path: Path) -> None:
    """After kill -9 or Ctrl-C in the second case the first is kept, the second is invalid, and no process is left.

    Of a case that Ctrl-C has ended there is a verdict, and who waits where; it is tried again by --resume.
    """
    mark = f"{os.getpid()}-{signum}"
    environment = {**os.environ, "LOCKSTEP_TEST_MARK": mark}
    program, reports = str(Path(sys.executable).parent / "lockstep"), ["--reports", str(tmp_path), "--run-id", "r"]
    command = [program, "run", "tests/campaign/then_slow.yaml", *reports]
    with (tmp_path / "said").open("w") as said:
        head = subprocess.Popen(command, stderr=said, env=environment, preexec_fn=hear_interrupts)
    assert wait_until(lambda: len(list(tmp_path.glob("r/cases/*/rank-*.events"))) == 4, 60)
    head.send_signal(signum)
    assert head.wait(60) == (130 if signum == signal.SIGINT else -9)
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 60)
    done = lockstep("report", str(tmp_path / "r"), "--format", "json", check=0)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    interrupted = signum == signal.SIGINT
    how = f"\nto go on: {shlex.join(['lockstep', 'run', '--resume', 'r', *reports[:2]])}\n"
    assert (how in (tmp_path / "said").read_text()) == interrupted
    assert [(line["outcome"], line["judged"]) for line in lines] == [("hang", True), ("invalid", interrupted)]
    assert lines[1]["cause"] == ("interrupted" if interrupted else "harness")
    stacks = sorted(path.name for path in tmp_path.glob(f"r/cases/{lines[1]['slug']}/stacks/*"))
    assert stacks == (["rank-0.txt", "rank-1.txt"] if interrupted else [])


def test_list_show_schema_doctor() -> None:
    """The commands that launch nothing."""
    assert "two-ranks[guards.generation_capture=none]" in lockstep("list", SCENARIO, check=0).stdout
    assert "proved: true" in lockstep("show", SCENARIO, "-k", "none", check=0).stdout
    assert "properties" in json.loads(lockstep("schema", check=0).stdout)
    assert "launcher" in lockstep("doctor", check=0).stderr
    assert lockstep("list", SCENARIO, "--tag", "nope").returncode == 2
