"""The test hosts themselves: apart from each other, reached by ssh, gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.hosts import ROOT, Cluster


def test_hosts_share_nothing_but_the_checkout(cluster: Cluster) -> None:
    """A host has its own name, processes, clock, /tmp and /dev/shm; the code is at the same place."""
    seen = "hostname; cat /proc/sys/kernel/random/boot_id; ls /proc | grep -c '^[0-9]'; echo here > /tmp/mine; ls /dev/shm"
    told = {name: cluster.run(name, ["sh", "-c", seen]).stdout.split() for name in cluster.hosts}
    assert [words[0] for words in told.values()] == ["login", "node1", "node2", "node3"]
    assert len({words[1] for words in told.values()}) == len(cluster.hosts)
    assert all(int(words[2]) < 12 and words[3:] == [] for words in told.values())
    assert cluster["node1"].path("/tmp/mine").read_text() == "here\n"
    assert cluster.run("node2", ["ls", "pyproject.toml"]).stdout == "pyproject.toml\n"
    devices = ["eth0", "eth1", "lo"]
    assert sorted(cluster.run("node1", ["ls", "/sys/class/net"]).stdout.split()) == devices
    clock = [sys.executable, "-c", "import time; print(time.monotonic())"]
    ahead = float(cluster.run("node2", clock).stdout) - time.monotonic()
    assert abs(ahead - cluster["node2"].clock_s) < 60


def test_ssh_reaches_every_host_by_name_and_by_address(cluster: Cluster) -> None:
    """The real ssh logs in without a question, on both networks, and says when it cannot."""
    for name, host in list(cluster.hosts.items())[1:]:
        for target in (name, f"{name}.cluster", f"{name}-fast", *host.addresses.values()):
            done = cluster.run("login", ["ssh", "-o", "BatchMode=yes", target, "hostname"])
            assert (done.stdout, done.stderr) == (f"{name}\n", "")
    done = cluster.run("login", ["ssh", "-o", "BatchMode=yes", "nowhere", "hostname"], check=False)
    assert done.returncode == 255
    assert "nowhere" in done.stderr


def test_a_host_is_cut_off_and_comes_back(cluster: Cluster) -> None:
    """Without its cables a host cannot be reached; mended, it can."""
    reach = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", "node3", "true"]
    cluster.cut("node3")
    try:
        assert cluster.run("login", reach, check=False).returncode == 255
    finally:
        cluster.mend("node3")
    _until_reached(cluster, reach)


def test_a_host_dies_with_all_its_processes_and_boots_again(cluster: Cluster) -> None:
    """Killing a host ends what runs there; booted again it has none of it."""
    command = cluster.start("node3", ["sh", "-c", "touch /tmp/old; sleep 1000"])
    _until(lambda: cluster["node3"].path("/tmp/old").exists())
    cluster.kill("node3")
    try:
        assert command.wait() != 0
        assert not cluster["node3"].up
    finally:
        cluster.boot("node3")
    _until_reached(cluster, ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", "node3", "true"])
    assert not cluster["node3"].path("/tmp/old").exists()
    assert cluster["node3"].processes() == {}


def test_a_killed_test_leaves_no_host() -> None:
    """When the process that made hosts is killed, all their processes end, and the next test removes its files."""
    program = "import time; from tests.cluster.hosts import Cluster\nwith Cluster(['one']) as c:\n"
    program += " print(c['one'].pid, c.folder, flush=True); time.sleep(1000)"
    made = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    pid, folder = made.stdout.readline().split()
    assert Path(f"/proc/{pid}").exists()
    made.send_signal(signal.SIGKILL)
    made.communicate()
    _until(lambda: not Path(f"/proc/{pid}").exists())
    with Cluster([]):
        assert not Path(folder).exists()


def test_nothing_of_a_host_has_a_name_outside(cluster: Cluster) -> None:
    """No network namespace, link or mount appears on this machine."""
    assert "node1" not in Path("/proc/net/dev").read_text() + Path("/proc/mounts").read_text()
    assert str(cluster.folder) not in Path("/proc/mounts").read_text()
    assert os.uname().nodename not in cluster.hosts


def _until_reached(cluster: Cluster, argv: list[str]) -> None:
    _until(lambda: cluster.run("login", argv, check=False).returncode == 0)


def _until(done: object, timeout_s: float = 30.0) -> None:
    assert callable(done)
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
