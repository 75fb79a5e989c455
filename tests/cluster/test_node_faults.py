"""Hosts that fail, and hosts that are other than they should be: the verdict, its time, and what is left where.

Over the size we keep: each way in which a host can fail is one test of the same shape, and they are compared side by side.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.interpreter import python_module
from tests.cluster.hosts import ROOT, Cluster
from tests.cluster.support import LOCKSTEP, REPORTS, environment, until, verdicts

pytestmark = pytest.mark.timeout(300)

SILENCE_S = 6.0  # as tests.cluster.launch has it
MORE_S = 4.0  # what a loaded machine may add to a bound
RANK, PROGRAM = python_module("lockstep.harness.supervisor.rank"), python_module("lockstep.harness.supervisor.program")
HOSTS = "node1:1,node2:1"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Run:
    """A case on the head of the cluster, in a process there."""

    def __init__(self, cluster: Cluster, program: str, hosts: str, *limits: str) -> None:
        self.cluster, self.ranks = cluster, sum(int(host.partition(":")[2]) for host in hosts.split(","))
        self.folder = f"/tmp/case-{time.monotonic_ns()}"
        argv = [sys.executable, "-m", "tests.cluster.launch", program, hosts, self.folder, *limits]
        self.command = cluster.start("login", argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def until_it_runs(self) -> None:
        """Wait until every rank has written events, and some have come to a barrier after MPI_Init."""
        place = self.cluster["login"].path(self.folder)
        until(lambda: len([path for path in place.glob("rank-*.events") if path.stat().st_size > 1000]) == self.ranks)

    def verdict(self, timeout_s: float = 90.0) -> dict[str, Any]:
        """What it says in the end."""
        out, err = self.command.process.communicate(timeout=timeout_s)
        assert out, err
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found


def said(verdict: dict[str, Any]) -> tuple[str, str]:
    """Outcome and cause."""
    return verdict["outcome"], verdict["cause"]


def nothing_left(cluster: Cluster, *names: str) -> bool:
    """No process, no folder and no shared memory of a case on these hosts.

    Of a host that is cut off, sshd does not know yet that nobody is there any more.
    """
    return not left_on(cluster, *names)


def left_on(cluster: Cluster, *names: str) -> list[str]:
    """What is there."""
    found: list[str] = []
    for name in names:
        processes = [words for words in cluster[name].processes().values() if not words[0].startswith("sshd: ")]
        files = [*cluster[name].path("/tmp").glob("lockstep-*"), *shared_memory(cluster, name)]
        found += [f"{name}: {' '.join(words)}" for words in processes] + [f"{name}: {path}" for path in files]
    return found


def clean(cluster: Cluster, *names: str, timeout_s: float = 40.0) -> None:
    """Nothing is left there, now or soon."""
    until(lambda: nothing_left(cluster, *names), timeout_s, lambda: f"left: {left_on(cluster, *names)}")


def shared_memory(cluster: Cluster, name: str) -> Iterator[Path]:
    """What MPI has left in a host's shared memory."""
    return cluster[name].path("/dev/shm").glob("*")


@contextmanager
def cut(cluster: Cluster, name: str) -> Iterator[float]:
    """Without its cables; since when."""
    cluster.cut(name)
    try:
        yield time.monotonic()
    finally:
        cluster.mend(name)


def test_two_hosts(cluster: Cluster) -> None:
    """Hosts whose clocks are hours apart are judged as one host would be, and the verdict names them."""
    verdict = Run(cluster, "deadlock", "node1:2,node2:1").verdict()
    assert said(verdict) == ("hang", "deadlock"), verdict["text"]
    assert verdict["blame"]["ranks"] == [2]
    assert 0 < verdict["last_block_to_verdict_s"] < 2
    assert [(node["host"], node["ranks"]) for node in verdict["nodes"]] == [("node1", [0, 1]), ("node2", [2])]
    for node in verdict["nodes"]:
        assert node["address"] == cluster[node["host"]].address
        assert 0 < node["clock_within_s"] < 0.05
        assert abs(node["wall_clock_ahead_s"]) < 0.1
    assert not [finding for finding in verdict["findings"] if finding["kind"] in ("leak", "uneven-hosts")]
    clean(cluster, "login", "node1", "node2")


def test_what_came_first_on_two_hosts(cluster: Cluster) -> None:
    """The rank that raised first is known, though its host's clock is hours behind the other's."""
    verdict = Run(cluster, "raise_in_turn", "node2:1,node1:1").verdict()
    assert said(verdict) == ("raise", "all-ranks"), verdict["text"]
    assert verdict["blame"]["text"].startswith("Rank 1 raised RuntimeError"), verdict["blame"]
    swapped = Run(cluster, "raise_in_turn", "node1:1,node2:1").verdict()
    assert swapped["blame"]["text"].startswith("Rank 1 raised RuntimeError"), swapped["blame"]


def test_a_link_that_is_cut(cluster: Cluster) -> None:
    """The node is lost when the limit of silence is over; nothing stays on the others, nor on the one that was cut off."""
    run = Run(cluster, "too_slow", HOSTS)
    run.until_it_runs()
    with cut(cluster, "node2") as since:
        clean(cluster, "node2", timeout_s=SILENCE_S + 1 + MORE_S)
        sweep = cluster["login"].path(run.folder) / "sweep-0.log"
        until(sweep.exists)  # it begins when the verdict has fallen and all were told to end
        assert time.monotonic() - since < SILENCE_S + 1 + 5 + MORE_S  # a beat, and the teardown of tests.watchdog.launch
        verdict = run.verdict()
    assert said(verdict) == ("invalid", "node-lost"), verdict["text"]
    assert verdict["start_to_verdict_s"] > SILENCE_S - 1.5
    assert "node2 (rank 1)" in verdict["text"]
    assert "node1" not in verdict["text"]
    (finding,) = [finding for finding in verdict["findings"] if finding["kind"] == "leak"]
    assert (finding["facts"]["host"], finding["facts"]["reached"]) == ("node2", False)
    clean(cluster, "login", "node1")


def test_a_link_that_is_cut_and_mended(cluster: Cluster) -> None:
    """Within the limit of silence nothing is lost: the verdict is that of the program."""
    run = Run(cluster, "slow", HOSTS, "silence_s=20")
    run.until_it_runs()
    with cut(cluster, "node2"):
        time.sleep(3)
    verdict = run.verdict()
    assert said(verdict) == ("success", ""), verdict["text"]
    clean(cluster, "login", "node1", "node2")


def test_no_deadline_judges_a_host_that_is_cut_off(cluster: Cluster) -> None:
    """A deadline that is reached while a host cannot be heard judges nothing; when it is back, it does."""
    run = Run(cluster, "too_slow", HOSTS, "deadline_s=6", "silence_s=15")
    run.until_it_runs()
    with cut(cluster, "node2") as since:
        time.sleep(8)
        assert run.command.process.poll() is None
    verdict = run.verdict()
    assert said(verdict) == ("slow", ""), verdict["text"]
    assert time.monotonic() - since > 8


@pytest.mark.parametrize("program", ["too_slow", "deadlock", "raise_all"])
def test_supervisors_of_a_node_are_killed(program: str, cluster: Cluster) -> None:
    """Whatever their ranks did, what the others report then is not judged, and nothing stays anywhere."""
    run = Run(cluster, program, "node1:1,node2:2", "silence_s=20", "deadline_s=60")
    killed: list[int] = []

    def kill() -> bool:
        """As soon as both are there: their ranks may be anywhere between their start and their end."""
        found = [pid for pid, words in cluster["node2"].processes().items() if words[1:] == RANK[1:]]
        if len(found) == 2:
            for pid in found:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        return bool(killed)

    if program == "too_slow":
        run.until_it_runs()
    until(kill)
    verdict = run.verdict()
    assert verdict["outcome"] == "invalid", verdict["text"]
    assert verdict["cause"] in ("node-lost", "launch")
    clean(cluster, "login", "node1", "node2")


def test_supervisors_of_a_program_are_killed(cluster: Cluster) -> None:
    """`lockstep watch` says the same: its ranks wait for each other, but that is not judged."""
    argv: list[str | Path] = [LOCKSTEP, "watch", "--reports", REPORTS, "--hosts", "node1:1,node2:1", "--"]
    argv += [sys.executable, ROOT / "tests" / "attach" / "mpi_program.py", "both_receive"]
    command = cluster.start("login", argv, environment())

    def kill() -> bool:
        """When the program has been started below it."""
        processes = cluster["node2"].processes()
        if not any(
            "both_receive" in words and "lockstep.harness.supervisor.program" not in words for words in processes.values()
        ):
            return False
        found = [pid for pid, words in processes.items() if words[1:] == PROGRAM[1:]]
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return bool(found)

    until(kill)
    assert command.wait() == 3
    ((_, verdict),) = verdicts(cluster).items()
    assert verdict["outcome"] == "invalid", verdict["text"]
    assert verdict["cause"] in ("node-lost", "launch")
    clean(cluster, "login", "node1", "node2")


def test_what_killed_supervisors_leave_is_swept(cluster: Cluster) -> None:
    """Processes that ranks started in sessions of their own outlive them and their supervisors; the sweep ends them."""
    run = Run(cluster, "stay", HOSTS)
    run.until_it_runs()
    until(lambda: any(words[0] == "sleep" for words in cluster["node2"].processes().values()))
    for pid, words in cluster["node2"].processes().items():
        if words[1:] == RANK[1:]:
            os.kill(pid, signal.SIGKILL)
    verdict = run.verdict()
    assert said(verdict) == ("invalid", "node-lost"), verdict["text"]
    leaks = {leak["facts"]["host"]: leak["facts"] for leak in verdict["findings"] if leak["kind"] == "leak"}
    assert leaks["node2"]["reached"] is True
    assert "sleep 600" in str(leaks["node2"]["processes"])
    clean(cluster, "login", "node1", "node2")


def test_what_stays_between_launches(cluster: Cluster) -> None:
    """Each host keeps what its ranks left for the next launch; after the last one it is gone there, and kept as evidence."""
    run = Run(cluster, "remember", HOSTS, "launches=3")
    verdict = run.verdict()
    assert said(verdict) == ("success", ""), verdict["text"]
    state = cluster["login"].path(run.folder) / "state"
    assert {path.relative_to(state).as_posix(): path.read_text() for path in state.rglob("*") if path.is_file()} == {
        "node1/rank-0": "123",
        "node2/rank-1": "123",
    }
    clean(cluster, "login", "node1", "node2")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_host_dies(at_once: bool, cluster: Cluster) -> None:
    """Its power fails, or its kernel ends all processes and closes their connections: it is lost, the others are clean."""
    run = Run(cluster, "too_slow", HOSTS)
    run.until_it_runs()
    try:
        if at_once:
            cluster.kill("node2")
        else:
            os.kill(cluster["node2"].pid, signal.SIGKILL)
        verdict = run.verdict()
        assert said(verdict) == ("invalid", "node-lost"), verdict["text"]
        clean(cluster, "login", "node1")
    finally:
        cluster.kill("node2")
        cluster.boot("node2")


def test_the_head_is_killed(cluster: Cluster) -> None:
    """kill -9 of the watchdog: nothing stays on any host."""
    run = Run(cluster, "too_slow", HOSTS)
    run.until_it_runs()
    (head,) = [pid for pid, words in cluster["login"].processes().items() if "tests.cluster.launch" in words]
    os.kill(head, signal.SIGKILL)
    run.command.process.communicate()
    until(lambda: not (cluster["node1"].processes() or cluster["node2"].processes() or cluster["login"].processes()))
    clean(cluster, "node1", "node2")


@pytest.mark.parametrize(("hosts", "lacking"), [("node1:1,nowhere:2", "nowhere"), ("node1:1,node3:2", "node3")])
def test_a_host_that_never_starts(hosts: str, lacking: str, cluster: Cluster) -> None:
    """A name that does not resolve, a host that does not answer: who is missing, in the launcher's words, in time."""
    begun = time.monotonic()
    with cut(cluster, "node3"):
        verdict = Run(cluster, "clean", hosts, "launch_s=8").verdict()
    assert said(verdict) == ("invalid", "launch"), verdict["text"]
    assert f"no supervisor of rank [1, 2] came from {lacking}" in verdict["text"]
    assert verdict["start_to_verdict_s"] < 8 + MORE_S
    assert time.monotonic() - begun < 8 + 1 + 20 + 3 * MORE_S  # launch, its end, sweep
    clean(cluster, "login", "node1")


@contextmanager
def mounted(cluster: Cluster, name: str, place: Path, text: str) -> Iterator[None]:
    """On one host a file has another content."""
    cluster[name].path("/tmp/other").write_text(text)
    cluster.run(name, ["mount", "--bind", "/tmp/other", place])
    try:
        yield
    finally:
        cluster.run(name, ["umount", place])
        cluster[name].path("/tmp/other").unlink()


def test_a_host_with_other_code(cluster: Cluster) -> None:
    """A host whose lockstep is another is not judged: which one, and what to do."""
    place = ROOT / "harness" / "judge" / "words.py"
    with mounted(cluster, "node2", place, place.read_text() + "# changed\n"):
        verdict = Run(cluster, "deadlock", HOSTS).verdict()
    assert said(verdict) == ("invalid", "launch"), verdict["text"]
    assert "node2 (rank 1) runs another version of lockstep" in verdict["text"]
    assert "install the same version on all hosts" in verdict["text"]
    clean(cluster, "login", "node1", "node2")


def test_a_host_with_another_protocol(cluster: Cluster) -> None:
    """A supervisor that does not understand its plan says so and ends; the launcher's output is in the verdict."""
    place = ROOT / "harness" / "channel" / "bootstrap.py"
    text = place.read_text().replace("\nPROTOCOL = ", "\nPROTOCOL = 1000 + ")
    with mounted(cluster, "node2", place, text):
        verdict = Run(cluster, "deadlock", HOSTS, "launch_s=15").verdict()
    assert said(verdict) == ("invalid", "launch"), verdict["text"]
    assert "on node2" in verdict["text"]
    assert "another version of lockstep" in verdict["text"]
    clean(cluster, "login", "node1", "node2")


def test_a_host_whose_wall_clock_is_an_hour_off(cluster: Cluster) -> None:
    """Nothing is judged by it, and the verdict tells of it."""
    if not Path(FAKETIME).exists():
        pytest.fail("apt-get install faketime")
    profile = cluster["node2"].path("/run/root/.bashrc")
    profile.write_text(f"export LD_PRELOAD={FAKETIME} FAKETIME=+3600s FAKETIME_DONT_FAKE_MONOTONIC=1\n")
    try:
        verdict = Run(cluster, "raise_all", HOSTS).verdict()
    finally:
        profile.unlink()
    assert said(verdict) == ("raise", "all-ranks"), verdict["text"]
    ahead = {node["host"]: node["wall_clock_ahead_s"] for node in verdict["nodes"]}
    assert abs(ahead["node1"]) < 1
    assert abs(ahead["node2"] - 3600) < 1
    (finding,) = [finding for finding in verdict["findings"] if finding["kind"] == "uneven-hosts"]
    assert "the wall clock of node2 is 3600 s ahead" in finding["text"]
