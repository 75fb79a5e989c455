"""The fork servers of a head: processes of this host that have imported what ranks import, from which these are forked.

One for each set of modules and each environment; each is started when it is first needed, and ends with the head, however
that ends. Ranks on other hosts, and those that a scheduler starts, are processes of their own start.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from lockstep.harness.channel.identity import code
from lockstep.harness.host.process_title import FILL, room
from lockstep.harness.interpreter import python_module
from lockstep.harness.launch import allocation
from lockstep.harness.launch.job import environment_of, short_folder
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap

MODULE = "lockstep.harness.supervisor.fork_server"
ROOMS = ("supervisor.forked_supervisor", "supervisor.dumps", "channel.supervisor_end", "channel.messages", "host.stacks")
SUPERVISOR = tuple(f"lockstep.harness.{room}" for room in ROOMS)  # what a supervisor imports
BACKLOG = 4096  # clients that wait while it forks for others
PATIENCE_S = 60.0  # for its imports; from a file system of a cluster they may take long


class ForkServers:
    """A context manager. Several threads may ask at once."""

    def __init__(self) -> None:
        self._servers: dict[tuple[object, ...], ForkServerProcess] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> ForkServers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()

    def address(self, modules: Sequence[str], launcher: Launcher, rank_map: RankMap) -> str:
        """The socket of the server for ranks that import these modules, once it has imported them; empty where each is to
        start by itself."""
        if not modules or not rank_map.local or allocation.of_launcher(launcher.name) is not None:
            return ""
        environment = {**environment_of(launcher, local=True, ours=True), "PYTHONUNBUFFERED": "1"}
        key = (tuple(modules), tuple(sorted(environment.items())), code())  # what it has imported does not change any more
        with self._lock:
            try:
                server = self._servers.get(key) or ForkServerProcess([*SUPERVISOR, *modules], environment)
            except OSError:  # no room for a folder, no process to be had: the launch itself will tell
                return ""
            self._servers[key] = server
        return server.address if server.ready() else ""


class ForkServerProcess:
    """One server."""

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lockstep-forks-", dir=short_folder()))  # nobody else may enter it
        self.address = str(self._folder / "socket")
        lifeline, self._life = os.pipe()
        self._said, says = os.pipe()
        self._lock = threading.Lock()
        self._ready: bool | None = None  # None: not known
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen(BACKLOG)
            ends = (listener.fileno(), lifeline, says)
            self._process = subprocess.Popen(
                [*python_module(MODULE, *map(str, ends), FILL), *modules],
                env={**environment, "TMPDIR": str(self._folder), **room()},
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        os.close(lifeline)
        os.close(says)

    def ready(self) -> bool:
        """Whether it has imported, and is there. Who asks first waits for it, before a case is launched: there is a limit
        of time for that."""
        with self._lock:
            if self._ready is None:
                heard, _, _ = select.select([self._said], [], [], PATIENCE_S)
                self._ready = bool(heard and os.read(self._said, 1))  # nothing: it could not import something
        return self._ready and self._process.poll() is None

    def close(self) -> None:
        """End it. What it has forked has ended, or ends by itself."""
        os.close(self._life)
        os.close(self._said)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
