"""A supervisor that is forked: it takes the place of the process that the launcher started, with all that this was given."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from lockstep.harness.environment import PLAN
from lockstep.harness.interpreter import python_module
from lockstep.harness.supervisor.entry_point import serve
from lockstep.harness.supervisor.fork_request import ForkRequest, RefusedError
from lockstep.harness.supervisor.forked_rank import ForkedRank, Imported, Order, replace_environment
from lockstep.harness.supervisor.rank import RankSupervisor

# What a process cannot change of itself, or should not: where it differs the supervisor would not be as the launcher's.
STATUS = ("Uid", "Gid", "Groups", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "SigBlk")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
LIMITS = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})


def become_supervisor(request: ForkRequest, connection: int, imported: Imported) -> Order:
    """Take the client's place and serve. Returns in the rank only, with what that is to do."""
    try:
        connection = _place(request, connection, imported)
    except (RefusedError, OSError, ValueError) as error:
        os.write(connection, b"F" + str(error).encode())
        os._exit(0)
    os.write(connection, b"A" + os.getpid().to_bytes(4, sys.byteorder))

    def leave(code: int) -> NoReturn:
        try:
            os.write(connection, bytes([code]))
        finally:
            os._exit(code)

    try:
        serve(lambda environ: RankSupervisor(environ, imported.start, request.pid), leave)
    except ForkedRank as forked:
        return forked.order
    except SystemExit as error:
        print(error.code, file=sys.stderr, flush=True)
    except BaseException:
        traceback.print_exc()
    return leave(1)


def _place(request: ForkRequest, connection: int, imported: Imported) -> int:
    """Take over what the launcher gave the client; the connection, moved. Raises RefusedError, OSError, ValueError."""
    os.setsid()
    _compare(request.pid)
    _take_limits(request.pid)
    os.chdir(f"/proc/{request.pid}/cwd")
    connection, link = _descriptors(request, connection, imported.descriptors)
    _die_with_client(link)
    replace_environment(request.environ)
    shown = {name: value for name, value in request.environ.items() if name != PLAN}  # there are keys in it
    imported.show(python_module("lockstep.harness.supervisor.rank"), shown)
    return connection


def _compare(client: int) -> None:
    """Raise RefusedError where the client is another kind of process."""
    theirs, ours = Path(f"/proc/{client}"), Path("/proc/self")
    for name in ("cgroup", "oom_score_adj"):
        if (theirs / name).read_text() != (ours / name).read_text():
            raise RefusedError(f"the launcher's processes have another {name}")
    for name in NAMESPACES:
        own_one = ours / "ns" / name
        if own_one.is_symlink() and (theirs / "ns" / name).readlink() != own_one.readlink():
            raise RefusedError(f"the launcher's processes have another {name} namespace")
    status, own = _status(theirs), _status(ours)
    for name in STATUS:
        if status.get(name) != own.get(name):
            raise RefusedError(f"the launcher's processes have another {name} in /proc/PID/status")
    os.umask(int(status["Umask"], 8))
    ignored, so_far = int(status["SigIgn"], 16), int(own["SigIgn"], 16)
    for signum in signal.valid_signals():
        if (ignored ^ so_far) >> (signum - 1) & 1:
            signal.signal(signum, signal.SIG_IGN if ignored >> (signum - 1) & 1 else signal.SIG_DFL)
    if os.sched_getscheduler(client) != os.sched_getscheduler(0):
        raise RefusedError("the launcher's processes are scheduled in another way")


def _status(folder: Path) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)


def _take_limits(client: int) -> None:
    """Resource limits, processors and niceness as the client's."""
    for limit in LIMITS:
        if (theirs := resource.prlimit(client, limit)) != resource.getrlimit(limit):
            resource.setrlimit(limit, theirs)
    if (cores := os.sched_getaffinity(client)) != os.sched_getaffinity(0):
        os.sched_setaffinity(0, cores)
    if (nice := os.getpriority(os.PRIO_PROCESS, client)) != os.getpriority(os.PRIO_PROCESS, 0):
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def _descriptors(request: ForkRequest, connection: int, kept: frozenset[int]) -> tuple[int, int]:
    """Those of the client under their numbers, and nothing of the server's; where the connection and the link are now."""
    if kept & {*request.numbers}:
        raise RefusedError("what the server has imported has opened a file")
    above = max(*request.numbers, *map(int, os.listdir("/proc/self/fd"))) + 1  # noqa: PTH208
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, above) for one in (connection, request.link, *request.descriptors)]
    for number in range(above):
        if number not in kept:
            try:
                os.close(number)
            except OSError:
                continue
    for number, descriptor in zip(request.numbers, moved[2:], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    return moved[0], moved[1]


def _die_with_client(link: int) -> None:
    """Have the kernel kill this process when the client ends, as a launcher does it that ends a job.

    `link` is the end of a pipe of which the client alone has the other end.
    """
    fcntl.fcntl(link, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(link, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(link, fcntl.F_SETFL, fcntl.fcntl(link, fcntl.F_GETFL) | os.O_ASYNC)
    watched = select.poll()
    watched.register(link, select.POLLIN)
    if watched.poll(0):  # it has ended before
        os._exit(0)
