"""`lockstep watch` and `lockstep diagnose` as their users type them; docs/watch.md is true."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from lockstep.harness.report.schema import read_verdict
from tests.attach.launch import BIN, HERE

ROOT = HERE.parents[1]
PAGE = (ROOT / "docs" / "watch.md").read_text()
PATH = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "GLOO_SOCKET_IFNAME": "lo"}


def lockstep(*words: str, folder: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command, in a folder where it may write."""
    command = [str(BIN / "lockstep"), *words]
    env = {**os.environ, **PATH}
    return subprocess.run(command, cwd=folder, env=env, input=text, capture_output=True, text=True, timeout=110, check=False)


def test_success_and_where_output_goes(tmp_path: Path) -> None:
    """What the program prints goes where it would have gone, its input reaches it, and the verdict is on stderr."""
    code = "import sys; print('out', input()); print('err', file=sys.stderr)"
    done = lockstep("watch", "--", "python", "-c", code, folder=tmp_path, text="typed\n")
    assert (done.returncode, done.stdout) == (0, "out typed\n")
    assert done.stderr.startswith("err\nlockstep: success: ")
    (case,) = (tmp_path / "reports/runs/latest/cases").iterdir()
    assert (case / "command-0.stdout").read_text() == "out typed\n"
    assert read_verdict((case / "verdict.json").read_bytes()).outcome.value == "success"


def test_no_secret_is_kept(tmp_path: Path) -> None:
    """What looks like one on the command line, of the program or of what it starts, is in no file of the run."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(1000)', *sys.argv[1:]])"
    words = ("--deadline", "3", "--", "python", "-c", code, "--api-key", "sk-hunter2", "HF_TOKEN=hunter2")
    done = lockstep("watch", *words, folder=tmp_path)
    assert done.returncode == 1
    assert "--api-key '***' 'HF_TOKEN=***'" in done.stderr
    assert "hunter2" not in done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.parent.name == "stacks" for path in kept)
    assert [path for path in kept if b"hunter2" in path.read_bytes()] == []


def test_json_is_all_that_is_on_stdout(tmp_path: Path) -> None:
    """With --json stdout is the verdict; an exit status that is not 0 makes 1, with the status named."""
    done = lockstep("watch", "--json", "--", "python", "-c", "print('out'); raise SystemExit(5)", folder=tmp_path)
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["outcome"], verdict["cause"]) == (1, "crash", "abort")
    assert "exit status 5" in verdict["text"]
    assert done.stderr.startswith("out\n")
    assert shlex.split(verdict["rerun"])[:2] == ["lockstep", "watch"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["watch"], "give a command after --"),
        (["watch", "--", "no-such-program"], "no-such-program: no such program"),
        (["watch", "-n", "0", "--", "true"], "-n 0: give 1 or more"),
        (["watch", "--deadline", "0", "--", "true"], "--deadline 0: give more than 0 seconds"),
        (["diagnose", "no-such-file"], "no-such-file: cannot be read"),
        (["diagnose", "plain.json"], "plain.json: neither JSON nor a plain pickle"),
        (["diagnose", "code.pickle"], "code.pickle: neither JSON nor a plain pickle"),
    ],
)
def test_mistakes(words: list[str], said: str, tmp_path: Path) -> None:
    """A mistake in the command line is said, ends with code 2, and launches nothing. A pickle's code is never run."""
    (tmp_path / "plain.json").write_text("[]")
    (tmp_path / "code.pickle").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    done = lockstep(*words, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "reports").exists()
    assert not (tmp_path / "ran").exists()


def test_interrupt_ends_everything(tmp_path: Path) -> None:
    """Ctrl-C ends the program and all that it started, also what left its session."""
    mark = f"LOCKSTEP_TEST_{os.getpid()}"
    code = (
        "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); print('up'); time.sleep(600)"
    )
    env = {**os.environ, **PATH, mark: "1"}
    words = [str(BIN / "lockstep"), "watch", "--", "python", "-c", code]
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        # A shell may have started us with SIGINT ignored, which the command inherits; SIGTERM is taken alike.
        running.send_signal(signal.SIGTERM)
        assert running.wait(100) == 143
    assert wait_until(lambda: not proc.with_variable(mark, "1"), 20.0)


def test_head_killed(tmp_path: Path) -> None:
    """When the command itself is killed, the program does not outlive it."""
    mark = f"LOCKSTEP_TEST_{os.getpid()}_{time.monotonic_ns()}"
    env = {**os.environ, **PATH, mark: "1"}
    words = [str(BIN / "lockstep"), "watch", "--", "python", "-c", "import time; print('up'); time.sleep(600)"]
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        running.kill()
    assert wait_until(lambda: not proc.with_variable(mark, "1"), 20.0)


COMMANDS = [line.split("   #")[0].strip() for line in re.findall(r"^lockstep (.+)$", PAGE, re.MULTILINE)]


def test_page_has_commands() -> None:
    """The page shows all three commands."""
    assert {line.split()[0] for line in COMMANDS} == {"watch", "peek", "diagnose"}


@pytest.mark.parametrize("line", [line for line in COMMANDS if "torchrun" not in line and not line.startswith("peek")])
def test_page_command(line: str, tmp_path: Path) -> None:
    """Each command of the page runs as it stands there, and judges."""
    for name in ("scenarios", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = lockstep(*shlex.split(line), folder=tmp_path)
    assert done.returncode == (0 if "its own processes" in line else 1), done.stderr
    if "mpi_and_gloo" in line:
        (shown,) = re.findall(r"<!-- output -->\n```text\n(.*?)```", PAGE, re.DOTALL)
        assert shown in done.stderr


def test_python_is_the_one_that_runs_lockstep() -> None:
    """The test's own premise: what the page calls `python` is found first."""
    assert Path(sys.executable).parent == BIN


def test_a_hang_is_red_in_every_report(tmp_path: Path) -> None:
    """A watched program that does not succeed is a failure in junit, summary, Prometheus and lines, with its sentence."""
    code = "import sys; sys.exit('the reason')"
    done = lockstep("watch", "--", "python", "-c", code, folder=tmp_path)
    run = tmp_path / "reports/runs/latest"
    assert done.returncode == 1
    junit = (run / "junit.xml").read_text()
    assert 'failures="1"' in junit
    assert 'classname="watch"' in junit
    summary = (run / "summary.md").read_text()
    assert "0 as expected, 1 not as expected" in summary
    text = json.loads(next((run / "cases").glob("*/verdict.json")).read_text())["text"]
    assert text.split(":")[0] in summary
    assert json.loads((run / "cases.jsonl").read_text())["ok"] is False
    told = lockstep("report", "--format", "prometheus", folder=tmp_path).stdout
    assert re.search(r"^lockstep_run_exit_code\{.*\} 1$", told, re.MULTILINE)
