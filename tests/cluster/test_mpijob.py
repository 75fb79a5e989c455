"""deploy/kubernetes/mpijob.yaml on hosts of ours: its workers' sshd, its launcher's command, what the operator gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.report.files import read_lines
from tests.cluster.hosts import HOME, ROOT, Cluster
from tests.deploy.test_kubernetes import SSHD, container

WORKERS = ("node1", "node2")
KEYS = f"{HOME}/.ssh"  # where the operator would mount the keys for root
ETC = "/run/mpijob"
SSH_CONFIG = (ROOT / "deploy/container/ssh_config").read_text()


@pytest.fixture
def job(cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """Workers whose sshd listens as the manifest says, and the operator's key everywhere."""
    key = tmp_path / "id_rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-m", "PEM", "-N", "", "-f", str(key)], check=True)
    public = Path(f"{key}.pub").read_text()
    for name in (cluster.head, *WORKERS):
        folder = cluster[name].path(KEYS)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for target, text in (("id_rsa", key.read_text()), ("id_rsa.pub", public), ("authorized_keys", public)):
            (folder / target).write_text(text)
            (folder / target).chmod(0o600)
        for place in ("/run/sshd", ETC):
            cluster[name].path(place).mkdir(exist_ok=True)
        cluster[name].path(f"{ETC}/sshd_config").write_text(SSHD.replace("/home/lockstep/.ssh", KEYS))
    # In the image ssh_config is the system's, and the key the default one.
    cluster[cluster.head].path(f"{KEYS}/config").write_text(f"{SSH_CONFIG}    IdentityFile {KEYS}/id_rsa\n")
    command = [word.replace("/etc/lockstep/", f"{ETC}/") for word in container("Worker")["command"]]
    running = [cluster.start(name, command) for name in WORKERS]
    yield cluster
    cluster[cluster.head].path(f"{KEYS}/config").unlink()
    for one in running:
        one.send(signal.SIGTERM)
        one.wait()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("line", ["{}.cluster:2", "{}.cluster slots=2"])
def test_night(job: Cluster, line: str) -> None:
    """The launcher's command runs a case over both workers, by their sshd, and its reports are on the launcher alone."""
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # as in the image
    for name in WORKERS:
        seen = job.run(job.head, ["ssh", f"{name}.cluster", "echo $SSH_CONNECTION"], env=environment)
        assert seen.stdout.split()[-1] == "2222"
    hosts, runs = f"{ETC}/hostfile", f"{ETC}/runs"
    job[job.head].path(hosts).write_text("".join(line.format(name) + "\n" for name in WORKERS))
    environment |= {entry["name"]: entry["value"] for entry in container("Launcher")["env"]}
    scenarios = "scenarios/control/planted-hangs.yaml scenarios/cluster/generation-capture-two-nodes.yaml -k capture=none"
    environment |= {"LOCKSTEP_CASES": scenarios, "LOCKSTEP_REPORTS": runs, "LOCKSTEP_RUN": str(len(line))}
    environment |= {"LOCKSTEP_MESSAGE": f"{ETC}/message", "K_MPI_JOB_ROLE": "launcher", "NVIDIA_VISIBLE_DEVICES": ""}
    environment |= {"HYDRA_HOST_FILE": "/etc/mpi/hostfile", "HYDRA_LAUNCH_EXTRA_ARGS": "-o ConnectionAttempts=10"}
    launcher = container("Launcher")
    words = [*launcher["command"], *(word.replace("/etc/mpi/hostfile", hosts) for word in launcher["args"])]
    done = job.run(job.head, words, env=environment, timeout_s=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["scenario"]: row for row in read_lines(job[job.head].path(runs) / str(len(line)) / "cases.jsonl")}
    assert set(found) == {"planted-hangs", "generation-capture-two-nodes"}
    two_nodes = found["generation-capture-two-nodes"]
    assert (two_nodes["outcome"], two_nodes["cause"], two_nodes["blame_ranks"]) == ("hang", "deadlock", "3")
    for name in WORKERS:
        assert not job[name].path(runs).exists()
        assert [words for words in job[name].processes().values() if "harness" in " ".join(words)] == []
