"""Ranks on several hosts by ssh, under the MPI of this environment: what is judged, what they are told, what is left."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.launch.discovery import find
from tests.cluster.hosts import ROOT, Cluster
from tests.cluster.support import (
    BIN,
    LOCKSTEP,
    PROGRAMS,
    REPORTS,
    all_clean,
    environment,
    last_run,
    lockstep,
    verdicts,
)

pytestmark = pytest.mark.timeout(300)
# Not of the launcher, or PRRTE cannot do it: two of its daemons on one host wait for each other.
hydra = pytest.mark.skipif(find().name != "hydra", reason="once is enough, under Hydra")
PAGE = (ROOT / "docs" / "hosts.md").read_text()
SCENARIOS = ROOT / "scenarios" / "cluster"
TOLD: list[str | Path] = [sys.executable, ROOT / "tests" / "cluster" / "told.py"]


def test_a_deadlock_between_hosts_is_proved_and_its_cure_succeeds(cluster: Cluster) -> None:
    """Verdict, blame and all evidence of all ranks are on the head, which shares no folder with the others."""
    command = re.findall(r"^lockstep (run .*?) +#", PAGE, re.MULTILINE)[0]
    done = lockstep(cluster, *command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    hang, success = sorted(verdicts(cluster).items(), key=lambda item: item[1]["outcome"])
    assert (hang[1]["cause"], hang[1]["proved"], hang[1]["blame"]["ranks"]) == ("deadlock", True, [3])
    assert success[1]["outcome"] == "success"
    for folder, names in (
        (hang[0], ("rank-{}.log", "rank-{}.events", "stacks/rank-{}.txt")),
        (success[0], ("rank-{}.events",)),
    ):
        for name in names:
            for rank in range(4):
                assert (Path(folder) / name.format(rank)).exists(), f"{folder}: {name.format(rank)}"
    assert "forward" in (Path(hang[0]) / "stacks" / "rank-0.txt").read_text()
    all_clean(cluster)
    for name in cluster.nodes:
        assert list(cluster[name].path("/tmp").glob("**/*rank*")) == []


def test_uneven_nodes(cluster: Cluster) -> None:
    """Three ranks here and one there: every rank is where the scenario says, by what it reports itself."""
    words = ("-k", "ranks_per_node=3-1", "-k", "capture=none", "--hosts", "node2:1,node3:3")
    done = lockstep(cluster, "run", SCENARIOS / "generation-capture-uneven-nodes.yaml", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    ((_, verdict),) = verdicts(cluster).items()
    assert [one["host"] for one in verdict["ranks"]] == ["node3", "node3", "node3", "node2"]
    all_clean(cluster)


@hydra
def test_cases_without_room_are_left_out(cluster: Cluster) -> None:
    """Too few hosts, or too few slots: it is said, and nothing runs."""
    done = lockstep(cluster, "run", SCENARIOS / "generation-capture-uneven-nodes.yaml", "--hosts", "node1:2,node2:2")
    assert done.returncode == 3
    assert "2 of 4 cases are left out: they need hosts with 3 and 1 slots" in done.stderr
    assert "2 of 4 cases are left out: they need 3 hosts, and there are 2 hosts; --hosts names more" in done.stderr


def test_what_ranks_are_told(cluster: Cluster) -> None:
    """Each rank gets the user's variables, its host's address and interface, and its place there; no secret is on a command
    line of any host while they run."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for host in cluster.hosts.values():
                seen.update(" ".join(words) for words in host.processes().values())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        env = {"SECRET": "do not show this"}
        done = lockstep(cluster, "watch", "--hosts", "node1:2,node2:1", "--", *TOLD, env=env)
    finally:
        over.set()
        watcher.join()
    assert done.returncode == 0, done.stderr
    told = told_by(done.stdout)
    assert [one["host"] for one in told] == ["node1", "node1", "node2"]
    assert [one["total"] for one in told] == [3, 3, 3]
    assert [one["LOCKSTEP_ADDRESS"] for one in told] == ["10.77.0.11", "10.77.0.11", "10.77.0.12"]
    assert {one["GLOO_SOCKET_IFNAME"] for one in told} == {"eth0"}
    assert [(one["LOCAL_RANK"], one["LOCAL_WORLD_SIZE"]) for one in told] == [("0", "2"), ("1", "2"), ("0", "1")]
    assert {one["MASTER_ADDR"] for one in told} == {"10.77.0.11"}
    assert {one["SECRET"] for one in told} == {"do not show this"}
    lines = "\n".join(seen)
    assert "lockstep.harness.supervisor.program" in lines
    assert "told.py" in lines
    assert "do not show this" not in lines
    assert "secret_key" not in lines
    all_clean(cluster)


def test_another_network_and_the_head_among_the_hosts(cluster: Cluster) -> None:
    """The control channel and the ranks use the chosen interface; what the user has set stays."""
    words = ("--hosts", "node1:1,login:1", "--interface", "10.78.0.0/24")
    done = lockstep(cluster, "watch", *words, "--", *TOLD, env={"NCCL_SOCKET_IFNAME": "mine"})
    assert done.returncode == 0, done.stderr
    told = told_by(done.stdout)
    assert [one["host"] for one in told] == ["node1", "login"]
    assert [one["LOCKSTEP_ADDRESS"] for one in told] == ["10.78.0.11", "10.78.0.10"]
    assert {one["GLOO_SOCKET_IFNAME"] for one in told} == {"eth1"}
    assert {one["NCCL_SOCKET_IFNAME"] for one in told} == {"mine"}
    all_clean(cluster)


@hydra
def test_an_interface_that_is_not_there(cluster: Cluster) -> None:
    """It is said which there are, and nothing is launched."""
    done = lockstep(cluster, "watch", "--hosts", "node1:1,node2:1", "--interface", "ib0", "--", *TOLD)
    assert done.returncode == 2
    assert "--interface ib0: this host has no such interface; it has lo (127.0.0.1), eth0 (10.77.0.10), eth1" in done.stderr


@hydra
def test_a_host_file_with_mistakes(cluster: Cluster) -> None:
    """Every one of them has its place."""
    cluster[cluster.head].path("/tmp/hosts.txt").write_text("node1:2\nnode2:two\n")
    done = lockstep(cluster, "run", SCENARIOS, "--hosts", "/tmp/hosts.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert "/tmp/hosts.txt:2:7: 'two' is no number of slots; give 1 or more" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "Could not resolve hostname nowhere"), ("closed", "Connection refused")]
)
def test_a_host_that_ssh_does_not_reach(name: str, said: str, cluster: Cluster) -> None:
    """The verdict is invalid, with what ssh says; the user's own ssh configuration is in force; nothing stays."""
    configure(cluster, "Host closed\n  HostName node3\n  Port 2222\n")
    done = lockstep(cluster, "watch", "--hosts", f"node1:1,{name}:1", "--", *TOLD)
    assert done.returncode == 3, done.stderr
    assert "invalid (launch)" in done.stderr
    assert said in done.stderr
    all_clean(cluster)


def test_a_folder_that_other_hosts_have_not(cluster: Cluster) -> None:
    """A program that would run elsewhere than it was told to does not run; an engine can do without."""
    cluster[cluster.head].path("/tmp/only-here").mkdir(exist_ok=True)
    argv: list[str | Path] = [LOCKSTEP, "watch", "--reports", REPORTS, "--hosts", "node1:1,node2:1", "--", *TOLD]
    done = cluster.run(cluster.head, argv, environment(), cwd="/tmp/only-here", check=False)
    assert done.returncode == 3, done.stderr
    assert "/tmp/only-here: no such file or directory; start lockstep in a folder that every host has" in done.stderr
    all_clean(cluster)


@hydra
def test_two_names_of_one_host(cluster: Cluster) -> None:
    """Nodes that turn out to be one host are no nodes: by the name service before the launch, else by what ranks report."""
    done = lockstep(cluster, "watch", "--hosts", "node1:1,10.77.0.11:1", "--", *TOLD)
    assert done.returncode == 2, done.stderr
    assert "node1 and 10.77.0.11 are one host (10.77.0.11); use one of its names" in done.stderr
    configure(cluster, "Host again\n  HostName node1\n")
    done = lockstep(cluster, "watch", "--hosts", "node1:1,again:1", "--", *TOLD)
    assert done.returncode == 3, done.stderr
    assert "ranks 0 and 1 belong on different hosts (node1 and again), and both run on node1" in done.stderr
    all_clean(cluster)


def test_a_program_that_hangs_between_hosts(cluster: Cluster) -> None:
    """MPI and gloo between hosts, unmodified: the deadlock is proved and named, with stacks and events of both."""
    program: list[str | Path] = [sys.executable, PROGRAMS / "mpi_and_gloo.py", "short"]
    done = lockstep(cluster, "watch", "--hosts", "node2:1,node3:1", "--", *program)
    assert done.returncode == 1, done.stderr
    assert "hang (deadlock, proved): Rank 1 never entered gloo world all_reduce #2" in done.stderr
    ((folder, verdict),) = verdicts(cluster).items()
    assert [one["host"] for one in verdict["ranks"]] == ["node2", "node3"]
    for rank in range(2):
        assert "mpi_and_gloo.py" in (Path(folder) / "stacks" / f"rank-{rank}.txt").read_text()
        assert (Path(folder) / f"rank-{rank}.events").exists()
    all_clean(cluster)


@hydra
def test_torchrun_on_every_host(cluster: Cluster) -> None:
    """One torchrun a host: its workers are the ranks, numbered as torch numbers them."""
    run: list[str | Path] = [BIN / "torchrun", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    run += ["--rdzv-endpoint", "node1:29511", PROGRAMS / "two_groups.py", "own"]
    done = lockstep(cluster, "watch", "--hosts", "node1:1,node2:1", "--", *run)
    assert done.returncode == 1, done.stderr
    assert "hang (deadlock, proved)" in done.stderr
    ((_, verdict),) = verdicts(cluster).items()
    assert sorted((one["rank"], one["host"]) for one in verdict["ranks"]) in (
        [(0, "node1"), (1, "node2")],
        [(0, "node2"), (1, "node1")],
    )


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_when_the_head_ends(signum: signal.Signals, cluster: Cluster) -> None:
    """Ctrl-C or a kill of `lockstep`: no process, shared memory or temporary file stays on any host."""
    argv = [LOCKSTEP, "watch", "--reports", REPORTS, "--hosts", "node1:2,node2:1", "--", *TOLD, "wait"]
    command = cluster.start(cluster.head, argv, environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert command.process.stdout is not None
    lines = [command.process.stdout.readline() for _ in range(3)]
    assert all(line.startswith("{") for line in lines), lines
    command.send(signum)
    command.wait()
    all_clean(cluster)
    assert (last_run(cluster) / "run.json").exists()


def configure(cluster: Cluster, text: str) -> None:
    """The ssh configuration of the user on the head."""
    home = cluster[cluster.head].path("/run/root/.ssh")
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config").write_text(text)


def told_by(output: str) -> list[dict[str, Any]]:
    """What ranks have printed, by rank."""
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return sorted(found, key=lambda one: int(one["rank"]))
