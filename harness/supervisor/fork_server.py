"""The fork server: it imports once what all ranks import, and forks supervisors, which fork their ranks.

So both are as the launcher's would be: a supervisor is the parent of its rank, with all that this lets it do. What the
launcher has started is a client of this process (fork_client.py), and stands for its supervisor. The server need not live
on: it only waits for supervisors that end. It ends with the head that has started it.

`python -m lockstep.harness.supervisor.fork_server LISTENER LIFELINE READY FILL MODULE...`, started by the head.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import struct
import sys
from pathlib import Path

from lockstep.harness.host.process_title import ProcessTitle
from lockstep.harness.supervisor.fork_request import ForkRequest, RefusedError
from lockstep.harness.supervisor.forked_rank import Imported, Order
from lockstep.harness.supervisor.forked_supervisor import become_supervisor

PATIENCE_S = 5.0  # for a client that has connected, and says nothing
CREDENTIALS = struct.Struct("3i")


class ForkServer:
    """One of a head and a host. `listener`, `lifeline`: descriptors; the latter is closed by the end of the head."""

    def __init__(self, listener: int, lifeline: int, imported: Imported) -> None:
        self._listener = socket.socket(fileno=listener)
        self._lifeline = lifeline
        self._imported = imported
        self._woken, self._wakes = os.pipe()
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)

    def serve(self) -> Order | None:
        """Fork for whom asks, until the head has ended. Returns in each rank too, with what that is to do."""
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        waiting = select.poll()
        for descriptor in (self._listener.fileno(), self._lifeline, self._woken):
            waiting.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            _reap()
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            if self._lifeline in ready:
                self._leave()
                return None
            if self._listener.fileno() in ready and (order := self._fork()) is not None:
                return order

    def _fork(self) -> Order | None:
        """Fork for one client; the supervisor returns here only as its rank, with an order."""
        connection, _ = self._listener.accept()
        try:
            request = self._request(connection)
        except (OSError, ValueError, RefusedError) as error:
            _refuse(connection, error)
            connection.close()
            return None
        try:
            pid = os.fork()
        except OSError as error:
            _refuse(connection, error)
            pid = -1
        if pid:
            request.close()
            connection.close()
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._listener.detach()  # closed by its number there
        return become_supervisor(request, connection.detach(), self._imported)

    def _request(self, connection: socket.socket) -> ForkRequest:
        connection.settimeout(PATIENCE_S)
        pid, uid, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        if uid != os.geteuid():
            raise RefusedError("the client is somebody else's")
        request = ForkRequest.of(connection, pid)  # first: what is not read would cut the answer off
        if (threads := len(os.listdir("/proc/self/task"))) != 1:  # noqa: PTH208
            request.close()
            raise RefusedError(f"the fork server has {threads} threads: what they hold would be held for ever in a fork")
        return request

    def _leave(self) -> None:
        """The head is gone: so are its supervisors soon, and their clients fall back on nothing."""
        path = Path(self._listener.getsockname())
        self._listener.close()
        shutil.rmtree(path.parent, ignore_errors=True)  # this process's alone, its temporary files too
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _refuse(connection: socket.socket, why: BaseException) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(b"F" + str(why).encode())


def main(listener: str, lifeline: str, ready: str, fill: str, *modules: str) -> Order | None:
    """Import, and serve; what a rank is to do, in each rank."""
    title = ProcessTitle()
    title.write([word for word in sys.orig_argv if word != fill], {})
    environ, path = dict(os.environ), [*sys.path]
    before = open_descriptors()
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what was imported stays: collections in forks leave its pages shared
    imported = Imported(environ, path, open_descriptors() - before, title)
    with contextlib.suppress(BrokenPipeError):  # the head is gone already: that is found below, and the folder removed
        os.write(int(ready), b"r")
    os.close(int(ready))
    return ForkServer(int(listener), int(lifeline), imported).serve()


def open_descriptors() -> frozenset[int]:
    """Of this process."""
    return frozenset(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208


if __name__ == "__main__":
    ORDER = main(*sys.argv[1:])
    if ORDER is not None:
        ORDER.obey()
