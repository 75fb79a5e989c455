"""A real Slurm on test hosts: slurmctld on the head, a slurmd on each other host, a munged on all, with a key of their own.

Nothing of it is this machine's: files are in each host's /run/slurm, ports in its network namespace. Where the processes of
Slurm end with their host, `close` ends them before, so that a host can be looked at afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.cluster.hosts import ROOT, Cluster, Command

HOME = Path("/run/slurm")
CPUS = 4  # of each node, whatever this machine has
PROGRAMS = {"slurmctld": "slurmctld", "slurmd": "slurmd", "srun": "slurm-client", "munged": "munge"}
PLUGIN = "slurm-wlm/mpi_pmix.so"
PARTITIONS = {
    "normal": "Default=YES PriorityTier=2",
    "requeued": "PriorityTier=1 PreemptMode=REQUEUE",  # its jobs give way to those of `urgent`
    "cancelled": "PriorityTier=1 PreemptMode=CANCEL",
    "warned": "PriorityTier=1 PreemptMode=REQUEUE GraceTime=20",
    "urgent": "PriorityTier=3 PreemptMode=OFF",
}
DAEMONS = ("munged", "slurmctld", "slurmd", "slurmstepd")


def missing() -> str:
    """Why there can be no Slurm on this machine, and what to do; empty where there can."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    packages = sorted({package for name, package in PROGRAMS.items() if shutil.which(name, path=places) is None})
    # Debian's plugin loads libpmix by the name that only the development package has.
    if not any(Path("/usr/lib").glob("*/pmix2/lib/libpmix.so")):
        packages.append("libpmix-dev")
    return f"apt-get install --no-install-recommends {' '.join(packages)}" if packages else ""


class Slurm:
    """A Slurm on all hosts of a test cluster. A context manager.

    Over the size we keep: it is all that a test can do to Slurm, a method an act, each of a few lines.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.head = cluster.head
        self.nodes = cluster.nodes
        self.environment = {"SLURM_CONF": str(HOME / "slurm.conf")}
        # Seen by all hosts, as a file system that a site shares: the checkout is, and /tmp is not.
        (ROOT / "build").mkdir(exist_ok=True)
        self.shared = Path(tempfile.mkdtemp(prefix="slurm-", dir=ROOT / "build"))
        self._key = secrets.token_bytes(1024)
        self._daemons: list[Command] = []

    def __enter__(self) -> Slurm:
        try:
            for name in self.cluster.hosts:
                self._write(name)
            self._start(self.head, "slurmctld", "-D", "-c")
            for name in self.nodes:
                self._start(name, "slurmd", "-D", "-N", name)
            until(lambda: self.idle() == len(self.nodes), "the nodes of the test's Slurm did not come up")
        except BaseException:
            print(self.logs())
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- what tests do with it ------------------------------------------------------------------------------------

    def run(
        self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None, check: bool = True, timeout_s: float = 110.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the head, where users log in."""
        return self.cluster.run(self.head, argv, {**self.environment, **(env or {})}, check=check, timeout_s=timeout_s)

    def start(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None, log: Path | None = None) -> Command:
        """Start a command there; its output goes to `log`."""
        with Path(log or os.devnull).open("wb") as output:
            return self.cluster.start(self.head, argv, {**self.environment, **(env or {})}, stdout=output)

    def submit(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> str:
        """`sbatch`; the number of the job."""
        return self.run(["sbatch", "--parsable", *argv], env).stdout.split(";")[0].strip()

    def state(self, job: str) -> str:
        """The state of a job: PENDING, RUNNING, COMPLETED, CANCELLED, ..."""
        return self.job(job)["JobState"]

    def job(self, job: str) -> dict[str, str]:
        """All that Slurm tells of a job."""
        told = self.run(["scontrol", "show", "job", "--oneliner", job]).stdout
        return dict(pair for word in told.split() if len(pair := word.split("=", 1)) == 2)

    def wait(self, job: str, *states: str, timeout_s: float = 100.0) -> dict[str, str]:
        """Wait until a job is in one of these states."""
        until(lambda: self.state(job) in states, f"job {job} did not become {' or '.join(states)}", timeout_s, 0.25)
        return self.job(job)

    def idle(self) -> int:
        """How many nodes have nothing to do, and are well."""
        told = self.run(["sinfo", "--noheader", "--Node", "--partition=normal", "--format=%N %T"], check=False).stdout
        return sum(line.split()[1] == "idle" for line in told.splitlines())

    def left(self) -> dict[str, list[str]]:
        """The processes that are on the hosts beside Slurm's own, by host."""
        found = {
            name: [shlex.join(words) for words in host.processes().values() if not _is_slurm(words)]
            for name, host in self.cluster.hosts.items()
        }
        return {name: lines for name, lines in found.items() if lines}

    def files(self) -> list[str]:
        """What is in the temporary places of the hosts."""
        found: list[str] = []
        for name, host in self.cluster.hosts.items():
            for place in map(Path, ("/tmp", "/dev/shm")):
                entries = [entry.name for entry in host.path(place).iterdir()]
                # A folder in which the checkout lies is no leftover.
                found += [f"{name}:{place / entry}" for entry in entries if place / entry not in ROOT.parents]
        return sorted(found)

    def clear(self) -> None:
        """Cancel all jobs, and wait until the nodes are free."""
        self.run(["scancel", "--me"], check=False)
        until(lambda: self.idle() == len(self.nodes) and not self.run(["squeue", "-h"]).stdout, "jobs did not end")

    def logs(self) -> str:
        """What the daemons have said."""
        paths = [path for host in self.cluster.hosts.values() if host.up for path in sorted(host.path(HOME).glob("*.log"))]
        return "\n".join(f"--- {path}\n{path.read_text(errors='replace')}" for path in paths)

    # --- set-up and end -------------------------------------------------------------------------------------------

    def _write(self, name: str) -> None:
        home = self.cluster[name].path(HOME)
        for folder in (home, home / "state", home / "spool"):
            folder.mkdir(mode=0o755)
        (home / "munge.key").write_bytes(self._key)
        (home / "munge.key").chmod(0o600)
        (home / "slurm.conf").write_text(self._config())
        files = {option: str(HOME / f"munge.{option}") for option in ("socket", "seed-file", "pid-file", "log-file")}
        options = [f"--{option}={path}" for option, path in files.items()]
        self._start(name, "munged", "--foreground", f"--key-file={HOME / 'munge.key'}", *options)
        until((home / "munge.socket").exists, f"munged of {name} did not come up")

    def _config(self) -> str:
        names, places = ",".join(self.nodes), PARTITIONS.items()
        lines = [
            "ClusterName=test",
            f"SlurmctldHost={self.head}({self.cluster[self.head].address})",
            "AuthType=auth/munge",
            f"AuthInfo=socket={HOME}/munge.socket,cred_expire=15",  # a job that was put back waits so long
            "CredType=cred/munge",
            "SlurmUser=root",
            "SlurmdUser=root",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SwitchType=switch/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "PreemptType=preempt/partition_prio",
            "PreemptMode=REQUEUE",
            "ReturnToService=2",
            "KillWait=20",
            "MinJobAge=300",
            "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1",
            "SlurmdParameters=config_overrides",
            f"SlurmctldPidFile={HOME}/slurmctld.pid",
            f"SlurmdPidFile={HOME}/slurmd.pid",
            f"SlurmdSpoolDir={HOME}/spool",
            f"StateSaveLocation={HOME}/state",
            *(f"NodeName={name} NodeAddr={self.cluster[name].address} CPUs={CPUS} RealMemory=4000" for name in self.nodes),
            *(f"PartitionName={name} Nodes={names} MaxTime=INFINITE State=UP {rest}" for name, rest in places),
        ]
        return "\n".join(lines) + "\n"

    def _start(self, name: str, program: str, *arguments: str) -> None:
        # A path: munged is no user's program, and PATH may lack it.
        found = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
        log = self.cluster[name].path(HOME / f"{program}.log")
        with log.open("wb") as output:
            self._daemons.append(self.cluster.start(name, [found or program, *arguments], self.environment, stdout=output))

    def close(self) -> None:
        """End all jobs and daemons. Safe to call at any time."""
        with contextlib.suppress(Exception):
            self.clear()
        for command in reversed(self._daemons):
            with contextlib.suppress(ProcessLookupError):
                command.send(signal.SIGTERM)
        for command in self._daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(10)
        for host in self.cluster.hosts.values():
            for pid, words in host.processes().items() if host.up else ():
                if _is_slurm(words):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        self._daemons.clear()
        shutil.rmtree(self.shared, ignore_errors=True)


def until(done: Callable[[], bool], what: str, timeout_s: float = 60.0, step_s: float = 0.1) -> None:
    """Wait until it is so; an error that says what is not so otherwise."""
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} within {timeout_s:.0f} s")
        time.sleep(step_s)


def _is_slurm(words: Sequence[str]) -> bool:
    return any(daemon in words[0] for daemon in (*DAEMONS, "slurmscriptd")) or words[0] == ":"


def main() -> None:
    """A cluster to try things on: `python -m tests.cluster.slurm`; it ends with its standard input."""
    with Cluster() as cluster, Slurm(cluster) as slurm:
        pid = cluster[slurm.head].pid
        print(json.dumps({"head": pid, "nodes": [cluster[name].pid for name in slurm.nodes]}))
        print(f"nsenter -t {pid} -n -u -i -m -p -T env SLURM_CONF={HOME}/slurm.conf bash", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while os.read(0, 4096):
                pass


if __name__ == "__main__":
    main()
