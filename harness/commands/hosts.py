"""`--hosts`, `--interface`, `--launcher`: on which hosts ranks run, how these reach this one, and what starts them there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lockstep.harness.launch import allocation
from lockstep.harness.launch.discovery import NAMES, is_name
from lockstep.harness.placement.default_hosts import default_hosts, reached
from lockstep.harness.placement.hosts import Hosts, load_hosts
from lockstep.harness.scenario.errors import ScenarioError


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--hosts", metavar="FILE|LIST", help="a host file, or name:slots,... (default: this Slurm job's, else this host)"
    )
    parser.add_argument("--interface", metavar="NAME|ADDRESS|CIDR", help="how hosts reach this one (default: by route)")


def add_launcher(parser: argparse.ArgumentParser, more: Sequence[str] = (), text: str = "what starts the ranks") -> None:
    """Declare the argument. `more`: names that only this command knows."""

    def name(text: str) -> str:
        if not (text in more or is_name(text)):
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join((*NAMES, *more))}, or srun:KIND")
        return text

    told = f"{text}: {', '.join((*NAMES, *more))}, or srun:KIND as in srun --mpi=KIND (auto: srun in a Slurm job)"
    parser.add_argument("--launcher", type=name, default="auto", metavar="NAME", help=told)


def hosts_of(arguments: argparse.Namespace) -> Hosts:
    """The hosts of a run. Raises ScenarioError."""
    return load(arguments.hosts, arguments.interface)


def load(given: str | None, interface: str | None) -> Hosts:
    """As `--hosts` and `--interface` say. Raises ScenarioError."""
    if given is None:
        if interface is not None and not allocation.job():
            raise ScenarioError(f"--interface {interface}: ranks of this host alone use the loopback; give --hosts too")
        return default_hosts(interface)
    return reached(load_hosts(given), interface)
