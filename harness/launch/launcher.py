"""The MPI launchers: how N supervisors are started. A dict of them is enough."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lockstep.harness.channel.bootstrap import FOLDER
from lockstep.harness.launch import allocation, srun, ssh
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.rank_map import RankMap

NAMES = ("auto", "hydra", "prrte", srun.NAME)
# An mpiexec takes its hosts from us and reaches them by ssh, inside an allocation of Slurm too.
OF_SLURM = (
    *("SLURM_JOB", "SLURM_NODE", "SLURM_NNODES", "SLURM_TASKS_PER_NODE", "SLURM_STEP", "SLURM_NTASKS", "SLURM_NPROCS"),
    *srun.OF_A_STEP,
)
ANYWHERE = "/"  # every host has it, and supervisors go on from there; launchers choose another where theirs is missing


@dataclass(frozen=True, slots=True)
class Launcher:
    """One kind of `mpiexec`: its arguments for the ranks of a map, and what its environment needs.

    `arguments` gets a folder besides, the job's own, for files that the launcher is to read. `forward`: from the names of
    variables to arguments by which it takes them to other hosts; none where it takes all. `without`: how variables begin
    that neither it nor the ranks inherit. `end`: ends what its own death would leave running, by the name of that folder.
    `folder_in`: the variable by which supervisors are told that folder.
    """

    name: str
    program: str
    version: str
    arguments: Callable[[RankMap, Path], list[str]]
    environment: dict[str, str]
    forward: Callable[[Iterable[str]], list[str]] = lambda names: []
    without: tuple[str, ...] = ()
    end: Callable[[str], None] = lambda name: None
    folder_in: str = "TMPDIR"

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """The command line that starts `argv` on every rank. `environment`: names of variables that ranks get."""
        forward = [] if rank_map.local else self.forward(environment)
        return [self.program, *self.arguments(rank_map, folder), *forward, *argv]


def _hydra_arguments(rank_map: RankMap, folder: Path) -> list[str]:
    # -prepend-rank is not wanted: ranks' output goes to their own logs.
    if rank_map.local:
        return ["-launcher", "fork", "-n", str(rank_map.ranks)]  # this host only, no ssh
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{node.host}:{node.ranks}\n" for node in rank_map.nodes))
    where = ["-iface", rank_map.head.name] if rank_map.head else []  # where its proxies find it; else by this host's name
    program = ssh.write(folder, ssh.HYDRA)
    over = ["-launcher", "ssh", "-launcher-exec", program]
    return [*where, *over, "-wdir", ANYWHERE, "-f", str(hosts), "-n", str(rank_map.ranks)]


def _hydra_environment() -> dict[str, str]:
    # Hydra's proxy writes a description of the host into /tmp, whatever TMPDIR says, and forgets it when a rank aborts.
    # It writes none when this names one; empty names none, and MPICH then looks at the host itself.
    return {"HWLOC_XMLFILE": os.environ.get("HWLOC_XMLFILE", "")}


def _prrte_arguments(rank_map: RankMap, folder: Path) -> list[str]:
    ranks = rank_map.ranks
    if rank_map.local:
        return ["--host", f"localhost:{ranks}", "--bind-to", "none", "-n", str(ranks)]
    hosts = ",".join(f"{node.host}:{node.ranks}" for node in rank_map.nodes)
    daemons = {"plm_ssh_agent": ssh.write(folder, ssh.PLAIN), "plm_ssh_no_tree_spawn": "1"}  # that program is on this host
    if rank_map.head and rank_map.head.chosen:
        daemons["prte_if_include"] = rank_map.head.network
    options = [word for name, value in daemons.items() for word in ("--prtemca", name, value)]
    mapping = ["--map-by", "slot:oversubscribe", "--bind-to", "none"]
    return [*options, "--host", hosts, *mapping, "--wdir", ANYWHERE, "-n", str(ranks)]


def _prrte_forward(names: Iterable[str]) -> list[str]:
    return [word for name in sorted(names) if ssh.is_forwarded(name) for word in ("-x", name)]


ROOT_MAY = {f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1" for prefix in ("OMPI", "PRTE") for suffix in ("", "_CONFIRM")}
PRRTE_ENVIRONMENT = {
    # More ranks than cores is the normal case here; without this they spin against each other.
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def identify(program: str) -> Launcher | None:
    """What kind of launcher a program is, by its `--version`; None if it is none that we know."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout + done.stderr
    if "HYDRA" in text:
        version = next((line.split()[-1] for line in text.splitlines() if "Version:" in line), "?")
        return Launcher("hydra", program, f"MPICH {version}", _hydra_arguments, _hydra_environment(), without=OF_SLURM)
    if "Open MPI" in text or "PRRTE" in text.upper():
        settings = {**PRRTE_ENVIRONMENT, **(ROOT_MAY if os.geteuid() == 0 else {})}
        return Launcher("prrte", program, text.splitlines()[0], _prrte_arguments, settings, _prrte_forward, OF_SLURM)
    return None


def candidates() -> list[str]:
    """Programs to look at, best first: beside this Python (a wheel's), then on PATH."""
    beside = Path(sys.executable).parent
    found = [str(beside / name) for name in ("mpiexec", "mpirun") if (beside / name).exists()]
    found += [path for name in ("mpiexec", "mpirun") if (path := shutil.which(name)) is not None]
    return list(dict.fromkeys(found))


def local() -> Launcher:
    """No MPI: this host's own processes, each told its number."""
    program = sys.executable
    return Launcher(
        "none", program, "", lambda rank_map, _: ["-m", "lockstep.harness.launch.local", str(rank_map.ranks)], {}
    )


def choose(wanted: str, rank_map: RankMap, mpi: Launcher | None = None) -> Launcher:
    """The launcher for the processes of a program: `auto` takes MPI for more than one. `mpi`: the one to take then.

    Raises LaunchError where there is none, or where `none` is to reach other hosts.
    """
    if wanted == "none" and not rank_map.local:
        raise LaunchError("--launcher none starts processes on this host only; leave it out to use other hosts")
    if wanted == "none" or (wanted == "auto" and rank_map.local and rank_map.ranks == 1):
        return local()
    return mpi if mpi is not None and wanted in ("auto", mpi.name) else find(wanted)


def is_name(wanted: str) -> bool:
    """Whether `find` knows it: `auto`, `hydra`, `prrte`, `srun`, or `srun:KIND` with a kind of MPI that Slurm is to use."""
    name, colon, kind = wanted.partition(":")
    return wanted in NAMES or (name == srun.NAME and bool(colon and kind))


def slurm(wanted: str) -> Launcher:
    """srun with the kind of MPI that is wanted (`srun:KIND`), or with the best. Raises LaunchError."""
    version, kind = srun.version(), srun.kind(wanted.partition(":")[2])
    name = f"{srun.NAME}:{kind}" if kind else srun.NAME
    return Launcher(
        name,
        srun.NAME,
        version,
        partial(srun.arguments, kind),
        {},
        without=srun.WITHOUT,
        end=srun.end_step,
        folder_in=FOLDER,  # on every node Slurm makes what TMPDIR names, and leaves it there
    )


def find(wanted: str = "auto") -> Launcher:
    """The launcher to use, by a name that `is_name`. Raises LaunchError when there is none.

    `auto` is srun inside an allocation of Slurm, unless it cannot start these ranks; else the best mpiexec.
    """
    if wanted.partition(":")[0] == srun.NAME:
        return slurm(wanted)
    if wanted == "auto" and allocation.job():
        with contextlib.suppress(LaunchError):
            return slurm(srun.NAME)
    seen: list[str] = []
    for program in candidates():
        launcher = identify(program)
        seen.append(f"{program} ({launcher.name if launcher else 'unknown'})")
        if launcher is not None and wanted in ("auto", launcher.name):
            return launcher
    raise LaunchError(
        f"no {'MPI' if wanted == 'auto' else wanted} launcher found (looked at: {', '.join(seen) or 'nothing on PATH'}); "
        "install one with `pip install mpich` or load your cluster's MPI module"
    )
