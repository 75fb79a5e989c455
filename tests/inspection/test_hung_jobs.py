"""`lockstep inspect` on real jobs that were started plainly: torchrun with gloo, mpiexec, ranks by hand."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import sys
from pathlib import Path

import pytest

from lockstep.harness import cli
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.proc import Stat
from lockstep.harness.host.process_tree import descendants
from tests.inspection.jobs import HERE, MPIEXEC, TORCHRUN, copied, job, lockstep, settled

ROOT = HERE.parents[1]
PAGE = (ROOT / "docs" / "hang.md").read_text()
pytestmark = pytest.mark.timeout(300)  # real jobs, on a machine that may be busy
DUMPS = ROOT / "tests" / "attach" / "dumps"


def page_commands() -> list[str]:
    """The command lines of the page."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def files_below(folder: Path) -> dict[str, int]:
    """What lies there, with sizes; but for what the job prints."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "job.log"]
    return {str(path.relative_to(folder)): path.stat().st_size for path in found}


def masked(text: str) -> str:
    """Without what differs from host to host and from run to run: on a busy machine looks take longer."""
    return re.sub(r"run for \d+ s", "run for N s", re.sub(r"\((\S+), process \d+,", "(HOST, process PID,", text))


def test_the_page_on_a_hung_torchrun(tmp_path: Path) -> None:
    """Every command of docs/hang.md that looks at a plain job or at dumps says what the page says; nothing of the job is
    changed by it.
    """
    program = copied("hanging.py", tmp_path, "train.py")
    shutil.copytree(DUMPS, tmp_path / "dumps")
    peek, diagnose, inspect, on_hosts = (command.replace("train.py", program) for command in page_commands())
    assert peek == "lockstep peek"  # tests/attach/test_peek.py has a run that goes on
    with job([*TORCHRUN, program, "asleep", "."], tmp_path) as started:
        before = files_below(tmp_path)
        processes = descendants(started.pid)
        assert lockstep(*shlex.split(peek)[1:], folder=tmp_path).returncode == 2
        assert "hang (not proved): First difference" in lockstep(*shlex.split(diagnose)[1:], folder=tmp_path).stderr
        done = settled(*shlex.split(inspect)[1:], folder=tmp_path, said="hang (not proved): Rank 1 stands at")
        (said,) = re.findall(r"<!-- output -->\n```text\n(.*?)```", PAGE, re.DOTALL)
        assert (done.returncode, done.stdout) == (1, "")
        assert masked(done.stderr).replace(program, "train.py").startswith(masked(said))
        here = on_hosts.replace("node1:8,node2:8", "localhost:8").replace("hang-1", str(tmp_path / "kept"))
        done = lockstep(*shlex.split(here)[1:], "--json", folder=tmp_path)
        found = json.loads(done.stdout)
        assert (done.returncode, found["word"], found["proved"], found["behind"]) == (1, "hang", False, [1])
        kept = files_below(tmp_path / "kept")
        assert set(kept) == {"inspection.json", "stacks/rank-0.txt", "stacks/rank-1.txt"}
        assert "all_reduce" in (tmp_path / "kept/stacks/rank-0.txt").read_text()
        assert {name: size for name, size in files_below(tmp_path).items() if not name.startswith("kept/")} == before
        assert [pid for pid in processes if Stat.of(pid).state in "RSD"] == processes  # nobody is stopped, or has ended


def test_a_hung_mpiexec(tmp_path: Path) -> None:
    """By who started it: each rank's line, though MPI spins; and a rank that is stopped is named before all."""
    program = copied("hanging_mpi.py", tmp_path)
    with job([*MPIEXEC, program, "."], tmp_path) as started:
        done = settled(
            "inspect", str(started.pid), "--json", folder=tmp_path, said="hang (not proved): Ranks are at different"
        )
        found = json.loads(done.stdout)
        assert (done.returncode, found["word"], found["ranks"], found["absent"]) == (1, "hang", [0, 1], [])
        assert "rank 0 waits in recv at" in found["text"]
        assert "rank 1 waits in Barrier at" in found["text"]
        rank = next(pid for pid in descendants(started.pid) if f"process {pid}," in found["lines"][1])
        os.kill(rank, signal.SIGSTOP)
        assert wait_until(lambda: Stat.of(rank).state == "T", 30)
        done = lockstep("inspect", str(rank), "--json", "--seconds", "1", folder=tmp_path)
        found = json.loads(done.stdout)
        assert (found["behind"], found["ranks"]) == ([1], [0, 1])
        assert found["text"].startswith(f"Rank 1 is stopped, by a debugger or by a signal (`kill -CONT {rank}`")
        assert Stat.of(rank).state == "T"  # it is left as it was
        where = ("--hosts", "localhost:1,nowhere.invalid:1", "--interface", "lo")
        done = lockstep("inspect", program, *where, "--json", "--seconds", "1", folder=tmp_path)
        found = json.loads(done.stdout)
        assert (found["behind"], found["ranks"]) == ([1], [0, 1])
        assert any(limit.startswith("what is on nowhere.invalid: ") for limit in found["limits"])


def test_a_rank_that_was_never_started(tmp_path: Path) -> None:
    """Of a world of two one waits for the other one in the rendezvous."""
    program = copied("waiting.py", tmp_path)
    variables = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    with job([sys.executable, program], tmp_path, ready=1, **variables):
        words = ("inspect", program, "--seconds", "1", "--json")
        done = settled(*words, folder=tmp_path, said="hang (not proved): Rank 0 of 2 is missing")
        found = json.loads(done.stdout)
        assert (done.returncode, found["word"], found["absent"], found["behind"]) == (1, "hang", [0], [0])
        assert found["text"].startswith("Rank 0 of 2 is missing: no process of it was found on ")


def test_a_job_that_goes_on(tmp_path: Path) -> None:
    """Is no hang: its ranks are at the same lines again and again, in other rounds."""
    with job([*TORCHRUN, str(HERE / "hanging.py"), "turns", "."], tmp_path) as started:
        done = lockstep("inspect", str(started.pid), "--json", folder=tmp_path)
        assert json.loads(done.stdout)["word"] in ("nothing found", "waiting"), done.stderr


def test_a_flight_recorder_that_answers(tmp_path: Path) -> None:
    """PyTorch's own worker server, at the socket that the job has given it, tells who has entered what."""
    variables = {
        "WORLD_SIZE": "1",
        "RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",
        "TORCH_FR_BUFFER_SIZE": "50",
    }
    variables["TORCH_WORKER_SERVER_SOCKET"] = str(tmp_path / "server")
    program = copied("serving.py", tmp_path)
    with job([sys.executable, program, "."], tmp_path, ready=1, **variables):
        done = lockstep("inspect", program, "--seconds", "1", "--json", "--keep", "kept", folder=tmp_path)
        found = json.loads(done.stdout)
        assert not any("Flight Recorder" in limit for limit in found["limits"]), done.stderr
        made = [tmp_path / "kept", *(tmp_path / "kept").rglob("*")]
        modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made}
        assert modes == {(True, 0o700), (False, 0o600)}  # nobody else reads stacks and command lines
        dump = json.loads((tmp_path / "kept" / "flight-recorder-rank-0.json").read_text())
        assert [entry["profiling_name"] for entry in dump["entries"]] == ["gloo:all_reduce"]
        said = lockstep("diagnose", "kept/flight-recorder-rank-0.json", folder=tmp_path)
        assert (said.returncode, said.stderr.splitlines()[0][:13]) == (0, "nothing found")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-1"], "lockstep inspect: '-1': give a process by its number, or a word"),
        ([""], "lockstep inspect: '': give a process by its number, or a word"),
        (["1", " "], "lockstep inspect: ' ': give a process by its number, or a word"),
    ],
)
def test_words_that_name_nothing(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Are no name, which any command line would have; nobody else's job is looked at."""
    assert cli.main(["inspect", *words]) == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["999999999"], "lockstep inspect: 999999999: no such process on "),
        (["9" * 30], f"lockstep inspect: {'9' * 30}: no process has such a number"),
        (["no-such-job-anywhere"], "lockstep inspect: no-such-job-anywhere: no process on "),
        (["1", "two"], "lockstep inspect: give processes by their numbers, or one word"),
        (["--seconds", "0"], "lockstep inspect: --seconds 0: give more than 0 and at most 20"),
        (["--seconds", "nan"], "lockstep inspect: --seconds nan: give more than 0"),
        (["--hosts", "localhost:1", "1"], "lockstep inspect: a process is one host's"),
        (["--hosts", "nowhere.txt"], "--hosts nowhere.txt: no such file"),
        (["--keep", "."], "lockstep inspect: --keep .: it is there already; name a new folder"),
        ([str(os.getpid())], f"lockstep inspect: {os.getpid()}: that is what looks, or what has started it"),
    ],
)
def test_mistakes(words: list[str], said: str, tmp_path: Path) -> None:
    """The place, what is wrong and what to do; exit code 2, and nothing is written."""
    done = lockstep("inspect", *words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert list(tmp_path.iterdir()) == []
