"""`--hosts` and `--interface`: on which hosts ranks run, and how these reach this one."""

from __future__ import annotations

import argparse

from harness.launch.deal import Hosts
from harness.launch.hosts import load_hosts
from harness.launch.interface import choose_interface
from harness.scenario.errors import ScenarioError


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--hosts", metavar="FILE|LIST", help="a host file, or name:slots,... (default: this host)")
    parser.add_argument("--interface", metavar="NAME|ADDRESS|CIDR", help="how hosts reach this one (default: by route)")


def hosts_of(arguments: argparse.Namespace) -> Hosts:
    """The hosts of a run. Raises ScenarioError."""
    return load(arguments.hosts, arguments.interface)


def load(given: str | None, interface: str | None) -> Hosts:
    """As `--hosts` and `--interface` say. Raises ScenarioError."""
    if given is None:
        if interface is not None:
            raise ScenarioError(f"--interface {interface}: ranks of this host alone use the loopback; give --hosts too")
        return Hosts.only_this()
    every = load_hosts(given)
    others = [host.name for host in every if not host.here]
    if len(every) == 1 and not others:
        return Hosts(every)
    return Hosts(every, choose_interface(others or [host.name for host in every], interface))
