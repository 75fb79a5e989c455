"""`--hosts`, `--interface`, `--launcher`: on which hosts ranks run, how these reach this one, and what starts them there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.harness.launch import allocation
from lockstep.harness.launch.discovery import NAMES, is_name, meant
from lockstep.harness.placement.default_hosts import default_hosts, reached
from lockstep.harness.placement.hosts import Hosts, load_hosts
from lockstep.harness.scenario.errors import ScenarioError


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--hosts",
        metavar="FILE|LIST",
        help="where ranks run: a host file, or a list as node1:8,node2:8 (default: a Slurm job's hosts, else this one)",
    )
    parser.add_argument("--interface", metavar="NAME|ADDRESS|CIDR", help="how hosts reach this one (default: by route)")


def add_launcher(parser: argparse.ArgumentParser, more: Sequence[str] = (), text: str = "what starts the ranks") -> None:
    """Declare the argument. `more`: names that only this command knows."""

    def name(text: str) -> str:
        if not (text in more or is_name(text)):
            hint = f"; did you mean {close}?" if (close := meant(text)) else ""
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join((*NAMES, *more))}, or srun:KIND{hint}")
        return text

    told = f"{text}: {', '.join((*NAMES, *more))}, or srun:KIND as in srun --mpi=KIND (auto: srun in a Slurm job)"
    parser.add_argument("--launcher", type=name, default="auto", metavar="NAME", help=told)


def add_fresh(parser: argparse.ArgumentParser) -> None:
    """Declare `--fresh`."""
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start each rank by itself (else ranks here are forked from a process with torch)",
    )


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What `add_hosts` and `add_launcher` declare, as it was given."""

    hosts: str | None = None
    interface: str | None = None
    launcher: str = "auto"

    @staticmethod
    def of(arguments: argparse.Namespace) -> HostOptions:
        """As the command line says."""
        return HostOptions(arguments.hosts, arguments.interface, arguments.launcher)

    @property
    def named(self) -> bool:
        """Whether the user has listed the hosts."""
        return self.hosts is not None

    def load(self) -> Hosts:
        """The hosts that are meant. Raises ScenarioError and LaunchError."""
        if self.hosts is not None:
            return reached(load_hosts(self.hosts), self.interface)
        if self.interface is not None and not allocation.job():
            raise ScenarioError(f"--interface {self.interface}: ranks of this host alone use the loopback; give --hosts too")
        return default_hosts(self.interface)

    def words(self) -> list[str]:
        """As a command line says it, where it is not the default."""
        given = (("--hosts", self.hosts), ("--interface", self.interface))
        return [word for name, value in given if value for word in (name, value)]
