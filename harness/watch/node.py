"""What a supervisor makes of its host when the watchdog is on another: a folder, an address, the interfaces of its rank.

Standard library only, and imported on such hosts only: it is on the path to the engine's start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.watch.plan import Plan

ADDRESS = "LOCKSTEP_ADDRESS"  # environment of the ranks: where those on other hosts reach this one; not set on one host
MARK = "supervisor-"
GET_ADDRESS = 0x8915  # SIOCGIFADDR
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def identity() -> str:
    """What tells this host from others, whatever names it has: hosts that were copied may share their name."""
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    return f"{os.uname().nodename} {boot}"


def node_environment(plan: Plan, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for the rank: address and interface by which this host reaches the watchdog's. What the user has set stays.

    Libraries that look for fast networks themselves (MPI) are left alone unless the user has named an interface.
    """
    address = route_to(plan.endpoint)
    name = interface_of(address)
    wanted = {ADDRESS: address}
    if name:
        wanted |= {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": f"={name}"}
        if plan.chosen:
            wanted |= {"UCX_NET_DEVICES": name, "FI_TCP_IFACE": name, "OMPI_MCA_btl_tcp_if_include": name}
    return {name: value for name, value in wanted.items() if name not in environ or name == ADDRESS}


def route_to(endpoint: str) -> str:
    """The address from which this host speaks to the watchdog. Nothing is sent."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))
        return str(probe.getsockname()[0])


def interface_of(address: str) -> str:
    """The interface that has an IPv4 address; empty when none has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                asked = struct.pack("256s", name.encode()[:15])
                if socket.inet_ntoa(fcntl.ioctl(probe.fileno(), GET_ADDRESS, asked)[20:24]) == address:
                    return name
    return ""


class Node:
    """This host as one supervisor prepares it. The job's folder is its own here, also on the watchdog's host; whichever
    supervisor leaves last removes it."""

    def __init__(self, plan: Plan, environ: dict[str, str], rank: int) -> None:
        """Makes the folder and points `TMPDIR` of `environ` to it."""
        head = Path(environ["TMPDIR"])  # as the launcher's host names it
        parent = head.parent if os.access(head.parent, os.W_OK) else Path(tempfile.gettempdir())
        self.folder = parent / f"{head.name}.node"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._mark = self.folder / f"{MARK}{rank}"
        self._mark.touch()
        environ["TMPDIR"] = str(self.folder)
        self.environment = node_environment(plan, environ)
        self.identity = identity()

    def leave(self) -> None:
        """This supervisor needs the folder no more."""
        self._mark.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if not any(self.folder.glob(f"{MARK}*")):
                shutil.rmtree(self.folder, ignore_errors=True)
