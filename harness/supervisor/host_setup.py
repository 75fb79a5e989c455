"""What a supervisor makes of its host when the watchdog is on another: a folder, an address, the interfaces of its rank.

Standard library only, and imported on such hosts only: it is on the path to the engine's start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lockstep.harness.channel.bootstrap import RAS, STATE_FOLDER, Plan
from lockstep.harness.channel.identity import machine
from lockstep.harness.environment import ADDRESS, LAUNCH, STATE, TOKEN
from lockstep.harness.host.ports import local_port
from lockstep.harness.host.shared_folder import NodeFolder, folder_name, remove_stale
from lockstep.harness.ip_address import family, split_port

STATE_BYTES = 8 << 20
GET_ADDRESS = 0x8915  # SIOCGIFADDR, which knows version 4 only
VERSION_6 = Path("/proc/self/net/if_inet6")


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
    host, port = split_port(endpoint)
    with socket.socket(family(host), socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])


def interface_of(address: str) -> str:
    """The interface that has an address; empty when none has."""
    if ":" in address:
        return _interface_of_version_6(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                asked = struct.pack("256s", name.encode()[:15])
                if socket.inet_ntoa(fcntl.ioctl(probe.fileno(), GET_ADDRESS, asked)[20:24]) == address:
                    return name
    return ""


def _interface_of_version_6(address: str) -> str:
    """From a line for each address: its 32 digits without colons, four numbers, and the name."""
    wanted = socket.inet_pton(socket.AF_INET6, address).hex()
    with contextlib.suppress(OSError):
        for line in VERSION_6.read_text().splitlines():
            if line.startswith(wanted):
                return line.split()[5]
    return ""


def enter(folder: str, environ: dict[str, str], needed: bool) -> None:
    """Work in the folder in which Lockstep was started, if it is here. Raises SystemExit when it is needed and is not."""
    try:
        os.chdir(folder)
    except OSError as error:
        if needed:
            host, why = os.uname().nodename, (error.strerror or "").lower()
            raise SystemExit(f"{host}: {folder}: {why}; start lockstep in a folder that every host has") from error
        os.chdir(tempfile.gettempdir())
    environ["PWD"] = str(Path.cwd())


class HostSetup:
    """This host as one supervisor prepares it: a folder for what lives as long as the job, and one for what stays between
    the launches of a case. Nothing of it is shared with other hosts."""

    def __init__(self, plan: Plan, environ: dict[str, str]) -> None:
        """Makes the folders and points variables of `environ` to them."""
        head = Path(environ["TMPDIR"])  # as the watchdog's host names it
        self._parent = head.parent if os.access(head.parent, os.W_OK) else Path(tempfile.gettempdir())
        self.folder = NodeFolder(self._parent / folder_name(str(head)))
        environ["TMPDIR"] = str(self.folder.path)
        self.state: NodeFolder | None = None
        if STATE in environ and machine() != plan.machine:
            self.state = NodeFolder(self._parent / plan.state)
            if environ.get(LAUNCH, "1") == "1":
                self.state.begin(environ[TOKEN])
            environ[STATE] = str(self.state.path / STATE_FOLDER)
        if environ.get(RAS) == plan.ras:  # the watchdog has chosen it, and knows its own host's ports only
            environ[RAS] = self.folder.agreed("ras", local_port)
        self.environment = node_environment(plan, environ)

    def state_files(self) -> Iterator[tuple[str, bytes]]:
        """What ranks have left here for the next launch, as evidence: small files, up to a few MiB together."""
        if self.state is None:
            return
        room, root = STATE_BYTES, self.state.path / STATE_FOLDER
        for path in sorted(root.rglob("*")):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink() and path.stat().st_size <= room:
                    data = path.read_bytes()
                    room -= len(data)
                    yield path.relative_to(root).as_posix(), data

    def leave(self, keep: bool = False) -> None:
        """This supervisor needs them no more. `keep`: another launch will need what stays between launches."""
        self.folder.leave()
        if self.state:
            self.state.leave(keep)
        remove_stale(self._parent)
