"""What the launcher starts in place of a supervisor where there is a fork server: it asks for one that is forked, stands for
it towards the launcher, and ends as it does. Where none comes it becomes a supervisor of its own start, by `exec`.

`python -I -S fork_client.py SOCKET COMMAND...`: run as a file, without `site`, since each rank costs this beside its fork;
built-in modules and `os` only. COMMAND starts a supervisor.
"""

from __future__ import annotations

import os
import sys
from _signal import SIGHUP, SIGINT, SIGKILL, SIGTERM, pidfd_send_signal, signal  # type: ignore[import-not-found]
from _socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket
from typing import NoReturn

SCM_RIGHTS = 1
MOST_DESCRIPTORS = 250  # that Linux hands over at once (253)
PATIENCE_S = 60.0  # for the server: it imports first
ACCEPTED, REFUSED = b"A", b"F"


def descriptors() -> list[int]:
    """Those that this process would hand on to a program that it executes."""
    open_ = map(int, os.listdir("/proc/self/fd"))  # noqa: PTH208  (pathlib takes its time)
    return [number for number in open_ if inheritable(number)]


def inheritable(number: int) -> bool:
    """Whether a program that this process executes would have a descriptor."""
    try:
        return os.get_inheritable(number)
    except OSError:  # the one by which they were listed
        return False


def request(connection: socket, link: int) -> None:
    """Send what a supervisor gets from its launcher: descriptors with their numbers, and the environment.

    `link`: the end of a pipe whose other end only this process has. The last of the descriptors.
    """
    numbers = descriptors()
    if len(numbers) > MOST_DESCRIPTORS:
        raise OSError(f"{len(numbers)} descriptors are open")
    variables = [name + b"=" + value for name, value in os.environb.items()]
    body = b"\0".join([b" ".join(b"%d" % number for number in numbers), *variables])
    rights = b"".join(number.to_bytes(4, sys.byteorder) for number in [*numbers, link])
    connection.sendmsg([len(body).to_bytes(8, sys.byteorder)], [(SOL_SOCKET, SCM_RIGHTS, rights)])
    connection.sendall(body)


def answer(connection: socket) -> int:
    """The process id of the supervisor. Raises OSError where there will be none."""
    heard = b""
    while len(heard) < 5 or heard[:1] == REFUSED:
        part = connection.recv(4096)
        if not part:
            raise OSError(heard[1:].decode(errors="replace") or "it closed the connection")
        heard += part
    return int.from_bytes(heard[1:5], sys.byteorder)


def stand_for(connection: socket, pid: int, early: list[int], told: list[int]) -> NoReturn:
    """Hand signals on, and end as the supervisor does. `told`: where the handler finds its pidfd."""
    try:
        told.append(os.pidfd_open(pid))
    except OSError:  # it is gone already
        pass
    else:
        for signum in early:
            pidfd_send_signal(told[0], signum)
    try:
        connection.settimeout(None)
        code = connection.recv(1)
    except OSError:
        code = b""
    if not code:  # it was killed
        os.kill(os.getpid(), SIGKILL)
    os._exit(code[0])


def main(server: str, fresh: list[str]) -> NoReturn:
    """Ask, and stand for who comes; `fresh`: the command line of a supervisor of its own start."""
    early: list[int] = []
    told: list[int] = []

    def hand_on(signum: int, frame: object) -> None:
        if not told:
            early.append(signum)
            return
        try:  # noqa: SIM105  (contextlib takes its time)
            pidfd_send_signal(told[0], signum)
        except ProcessLookupError:
            pass

    kept = {signum: signal(signum, hand_on) for signum in (SIGTERM, SIGINT, SIGHUP)}
    why = "there is none"
    try:
        connection = socket(AF_UNIX, SOCK_STREAM)
        connection.settimeout(PATIENCE_S)
        connection.connect(server)
        peer = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
        if int.from_bytes(peer[4:8], sys.byteorder) != os.geteuid():
            raise OSError("it belongs to somebody else")
        link, _ = os.pipe()  # its other end is open for as long as this process lives, and runs this program
        request(connection, link)
        stand_for(connection, answer(connection), early, told)
    except OSError as error:
        why = error.strerror or str(error)
    print(f"lockstep supervisor: not forked: {why}", flush=True)
    for signum, handler in kept.items():
        signal(signum, handler)
    for signum in early:
        os.kill(os.getpid(), signum)
    os.execv(fresh[0], fresh)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
