"""Ranks started by srun on a real Slurm of three nodes that share no /tmp, and runs that Slurm ends or puts back."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.launch import mpi
from tests.cluster.hosts import ROOT, Cluster
from tests.cluster.hosts import missing as missing_hosts
from tests.cluster.slurm import Slurm, missing, until

pytestmark = pytest.mark.timeout(300)
LOCKSTEP = Path(sys.executable).parent / "lockstep"
HERE = Path("tests/cluster")
SCRIPT = "deploy/slurm/lockstep.sbatch"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """A Slurm on a login host and three nodes of its own."""
    if lacking := missing_hosts() or missing():
        pytest.fail(lacking)
    with Cluster() as cluster, Slurm(cluster) as made:
        yield made


@pytest.fixture
def reports(slurm: Slurm, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for runs that all hosts see. Afterwards nothing of the test is left on any host."""
    yield slurm.shared / re.sub(r"\W+", "-", request.node.name)
    slurm.clear()
    with contextlib.suppress(TimeoutError):
        until(lambda: not slurm.left() and not slurm.files(), "hosts were not clean", 30.0)
    assert (slurm.left(), slurm.files()) == ({}, [])


def kind() -> str:
    """The kind of MPI that the library of this environment needs."""
    return mpi.kinds(mpi.library())[0]


def lines(run: Path) -> list[dict[str, Any]]:
    """What a run has judged."""
    path = run / "cases.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lockstep(slurm: Slurm, reports: Path, *arguments: str, inside: str = "", check: int | None = 0) -> str:
    """Run the command on the login host, in an allocation of `inside` nodes and tasks; what it said."""
    allocated = ["salloc", "--quiet", *inside.split()] if inside else []
    done = slurm.run([*allocated, LOCKSTEP, *arguments, "--reports", reports], check=False)
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- srun as a launcher ---------------------------------------------------------------------------------------------


def test_every_outcome_inside_an_allocation(slurm: Slurm, reports: Path) -> None:
    """Success, deadlock, exceptions and deaths are judged over two nodes, with evidence on the login host.

    Open MPI aborts the job when it loses the connection to a rank, and Slurm then kills the supervisors: no hang to judge.
    """
    code = None if kind() == "pmix" else 0
    lockstep(slurm, reports, "run", str(HERE / "outcomes.yaml"), "--run-id", "r", inside="-N2 -n2", check=code)
    run = reports / "r"
    assert json.loads((run / "run.json").read_text())["environment"]["mpi"]["launcher"] == f"srun:{kind()}"
    found = {line["case"]: line for line in lines(run)}
    outcomes = [line["outcome"] for line in found.values()]
    assert outcomes[:3] == ["success", "hang", "hang"]
    assert outcomes[3:] == ["hang", "crash"] or (kind() == "pmix" and set(outcomes[3:]) <= {"invalid", "crash"})
    verdict = json.loads((run / "cases" / found["outcomes[config.argv=#2]"]["slug"] / "verdict.json").read_text())
    assert verdict["proved"]
    assert {"command-0.stdout", "command-1.stdout", "rank-0.events", "rank-1.events"} <= set(verdict["evidence"])
    assert sum(path.startswith("stacks/") for path in verdict["evidence"]) == 2
    assert verdict["attempts"] == []


def test_blame_over_two_nodes(slurm: Slurm, reports: Path) -> None:
    """The minimal engine's deadlock between two nodes of Slurm is proved, and the rank that decided otherwise is named."""
    scenario = [
        "scenarios/cluster/generation-capture-uneven-nodes.yaml",
        "-k",
        "ranks_per_node=3-1,guards.generation_capture=none",
    ]
    said = lockstep(slurm, reports, "run", *scenario, "--run-id", "r", inside="-N2 --ntasks-per-node=3")
    (line,) = lines(reports / "r")
    assert (line["outcome"], line["proved"], line["ok"]) == ("hang", True, True), said
    assert "rank 3: generation_capture bs=8" in said


def test_outside_an_allocation(slurm: Slurm, reports: Path) -> None:
    """srun gets an allocation for the run, places uneven ranks as the scenario says, and gives it back."""
    lockstep(slurm, reports, "run", str(HERE / "placed.yaml"), "--launcher", "srun", "--run-id", "r")
    for line, counts in zip(lines(reports / "r"), ([3, 1], [1, 2, 1]), strict=True):
        told = "".join(path.read_text() for path in (reports / "r" / "cases" / line["slug"]).glob("command-*.stdout"))
        hosts = _hosts(told)
        assert [hosts.count(host) for host in dict.fromkeys(hosts)] == counts
    assert slurm.run(["squeue", "--noheader"]).stdout == ""


def _hosts(told: str) -> list[str]:
    """Where each rank said that it was, in the order of ranks."""
    words = sorted((line.split() for line in told.splitlines() if line.startswith("rank ")), key=lambda word: int(word[1]))
    return [word[-1] for word in words]


def test_named_nodes_and_watch_outside_an_allocation(slurm: Slurm, reports: Path) -> None:
    """`watch` too; nodes that are named are those that srun takes, in their order."""
    words = [
        "--launcher",
        "srun",
        "--hosts",
        "node3:1,node1:2",
        "--run-id",
        "w",
        "--",
        sys.executable,
        str(HERE / "program.py"),
    ]
    done = slurm.run([LOCKSTEP, "watch", "--reports", reports, *words, "clean"])
    assert _hosts(done.stdout) == ["node3", "node1", "node1"]


def test_what_cannot_work_is_refused(slurm: Slurm, reports: Path) -> None:
    """A kind of MPI by which the library's ranks would not find each other, or that there is not: nothing is launched."""
    wrong = {"pmi2": "pmix", "pmix": "pmi2"}[kind()]
    said = lockstep(
        slurm, reports, "run", str(HERE / "placed.yaml"), "--launcher", f"srun:{wrong}", inside="-N2 -n4", check=3
    )
    assert f"starts by {kind()} only; give srun:{kind()}" in said
    said = lockstep(slurm, reports, "run", str(HERE / "placed.yaml"), "--launcher", "srun:pmi9", inside="-N2 -n4", check=3)
    assert "this Slurm has no such kind of MPI; it has pmix, pmi2" in said
    assert not reports.exists()


def test_mpiexec_inside_an_allocation(slurm: Slurm, reports: Path) -> None:
    """Hydra or PRRTE starts the ranks on the nodes of the allocation by ssh."""
    name = {"pmi2": "hydra", "pmix": "prrte"}[kind()]
    words = ["run", str(HERE / "placed.yaml"), "-k", "#1", "--launcher", name, "--run-id", "r"]
    lockstep(slurm, reports, *words, inside="-N2 --ntasks-per-node=3")
    (line,) = lines(reports / "r")
    told = "".join(path.read_text() for path in (reports / "r" / "cases" / line["slug"]).glob("command-*.stdout"))
    assert _hosts(told) == ["node1", "node1", "node1", "node2"]


@pytest.mark.parametrize("inside", [True, False])
def test_kill_9_of_the_head(inside: bool, slurm: Slurm, reports: Path) -> None:
    """When the head is killed its step ends on all nodes, and an allocation that it had got is released."""
    # Who works in an allocation has it after the head's end. Supervisors leave by themselves; Slurm would kill them sooner.
    allocated = ["salloc", "--quiet", "-N2", "-n2", "sh", "-c", '"$@"; sleep 10', "sh"] if inside else []
    case: list[str | Path] = [HERE / "then_busy.yaml", "-k", "#2", "--launcher", "srun"]
    started = slurm.start([*allocated, LOCKSTEP, "run", *case, "--run-id", "r", "--reports", reports])
    until(lambda: _is_busy(reports / "r"), "the case did not begin")
    head = next(pid for pid, line in slurm.cluster[slurm.head].processes().items() if line[1:3] == [str(LOCKSTEP), "run"])
    os.kill(head, signal.SIGKILL)
    started.wait()
    until(lambda: not slurm.left() and slurm.idle() == 3, "the step or the allocation stayed")


def test_the_page_s_commands(slurm: Slurm, reports: Path) -> None:
    """docs/slurm.md is true: its commands run, on a case of the scenarios that it names; the night in its two shards."""
    commands = re.findall(r"<!-- (\w+) -->\n```\n(.*?)\n```", (ROOT / "docs/slurm.md").read_text(), re.DOTALL)
    environment = {
        "PATH": f"{LOCKSTEP.parent}:{os.environ['PATH']}",
        "LOCKSTEP_REPORTS": str(reports),
        "LOCKSTEP_NIGHT": "n",
    }
    environment |= {"LOCKSTEP_CASES": str(HERE / "outcomes.yaml"), "LOCKSTEP_PROGRAM": str(LOCKSTEP)}
    narrow = f" -k two-nodes -k sync-skip --reports {reports}"
    for name, command in commands:
        words = f"cd {ROOT}; {command}" + ("" if name == "night" else narrow)
        slurm.run(["sh", "-c", words], environment)
    assert [name for name, _ in commands] == ["inside", "outside", "night"]
    until(lambda: len(list(reports.glob("n-*/cases.jsonl"))) == 2, "the night did not begin")


# --- what Slurm does to a run -----------------------------------------------------------------------------------------


def _is_busy(run: Path) -> bool:
    """Whether the case that stays busy has begun: both of its ranks have said where they are."""
    return any(len(list(folder.glob("command-*.stdout"))) == 2 for folder in run.glob("cases/*") if _stays_busy(folder))


def _stays_busy(folder: Path) -> bool:
    path = folder / "case.json"
    return path.exists() and "busy" in json.loads(path.read_text())["spec"]["config"]["argv"]


def _night(slurm: Slurm, reports: Path, *options: str, scenario: str = "then_busy.yaml") -> str:
    """Submit the script that is shipped; the number of the job."""
    values = {
        "LOCKSTEP_PROGRAM": LOCKSTEP,
        "LOCKSTEP_CASES": HERE / scenario,
        "LOCKSTEP_REPORTS": reports,
        "LOCKSTEP_NIGHT": "n",
    }
    environment = {name: str(value) for name, value in values.items()}
    log = f"--output={slurm.shared}/%j-%a.log"
    return slurm.submit("-N2", "--ntasks-per-node=2", "--time=30", log, *options, ROOT / SCRIPT, env=environment)


def _is_kept(run: Path) -> bool:
    """Whether the first case is judged and on disk, the second is not, and nothing was tried again."""
    told = [(line["outcome"], line["ok"]) for line in lines(run)]
    return (
        told == [("hang", True)]
        and len(list(run.glob("cases/*/verdict.json"))) == 1
        and not list(run.glob("cases/*/attempt-*"))
    )


def _log(slurm: Slurm, job: str) -> str:
    return "".join(path.read_text() for path in slurm.shared.glob(f"{job}-*.log"))


@pytest.mark.parametrize("how", ["scancel", "time limit", "preempted: cancelled"])
def test_a_job_that_is_ended_keeps_what_was_judged(how: str, slurm: Slurm, reports: Path) -> None:
    """What was judged stays; the case that was going on has no verdict, and the exit code says that the run was ended."""
    partition = ["--partition=cancelled"] if how.startswith("preempted") else []
    job = _night(slurm, reports, *partition)
    until(lambda: _is_busy(reports / "n-1"), "the second case did not begin", 100.0)
    other = ""
    if how == "scancel":
        slurm.run(["scancel", job])
    elif how == "time limit":
        slurm.run(["scontrol", "update", f"JobId={job}", "EndTime=now"])
    else:
        other = slurm.submit("--partition=urgent", "-N3", "--exclusive", "--output=/dev/null", "--wrap=true")
    state = {"scancel": "CANCELLED", "time limit": "TIMEOUT"}.get(how, "PREEMPTED")
    slurm.wait(job, state)
    until(lambda: "what was judged so far is kept" in _log(slurm, job), "the run did not say so")
    assert _is_kept(reports / "n-1")
    if other:
        slurm.wait(other, "COMPLETED")
    done = slurm.run([LOCKSTEP, "report", reports / "n-1", "--format", "json"])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["outcome"], line["judged"]) for line in told] == [("hang", True), ("invalid", False)]


@pytest.mark.parametrize("partition", ["requeued", "warned"])
def test_a_job_that_is_put_back_goes_on(partition: str, slurm: Slurm, reports: Path) -> None:
    """After a preemption, with or without a time of grace, the same script goes on with what was not judged."""
    job = _night(slurm, reports, f"--partition={partition}")
    until(lambda: _is_busy(reports / "n-1"), "the second case did not begin", 100.0)
    other = slurm.submit("--partition=urgent", "-N3", "--exclusive", "--output=/dev/null", "--wrap=true")
    slurm.wait(other, "COMPLETED")
    assert _is_kept(reports / "n-1")
    until(lambda: "run n-1: 1 of 2 cases are judged and kept" in _log(slurm, job), "the job did not go on", 100.0)
    assert len((reports / "n-1" / "resumed.jsonl").read_text().splitlines()) == 1


def test_a_night_in_shards(slurm: Slurm, reports: Path) -> None:
    """An array of jobs: each task has its share of the cases, and every case was run once."""
    job = _night(slurm, reports, "--array=3-4", scenario="outcomes.yaml")
    until(lambda: slurm.idle() == 3 and len(list(reports.glob("n-*/junit.xml"))) == 2, "the array did not end", 150.0, 0.5)
    slurm.wait(job, "COMPLETED")
    cases = [line["case"] for number in (1, 2) for line in lines(reports / f"n-{number}")]
    assert sorted(cases) == [f"outcomes[config.argv=#{number}]" for number in (1, 2, 3, 4, 5)]


def test_no_more_cases_when_time_is_short(slurm: Slurm, reports: Path) -> None:
    """The budget is the job's own time: cases for which there is none are not run, and the exit code says so."""
    job = _night(slurm, reports, "--time=1")  # less the margin: nothing
    assert slurm.wait(job, "FAILED")["ExitCode"] == "5:0"
    assert "the run's budget of 1 s has" in (reports / "n-1" / "summary.md").read_text()
    assert lines(reports / "n-1") == []


def test_no_more_cases_after_sigusr1(slurm: Slurm, reports: Path) -> None:
    """The signal that Slurm sends before the end of a job lets the case that is going on end, and begins no other."""
    job = _night(slurm, reports, scenario="outcomes.yaml")
    until(lambda: len(list((reports / "n-1").glob("cases/*/command-0.stdout"))) == 1, "no case began")
    slurm.run(["scancel", "--signal=USR1", "--batch", job])
    assert slurm.wait(job, "FAILED")["ExitCode"] == "5:0"
    assert len(lines(reports / "n-1")) < 5
    assert "told to begin no more cases" in (reports / "n-1" / "summary.md").read_text()
