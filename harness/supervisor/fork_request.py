"""What a client of the fork server hands over: who it is, its environment, and its descriptors."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass

MOST_DESCRIPTORS = 253  # that Linux hands over at once
MOST_BYTES = 64 << 20  # of an environment


class RefusedError(Exception):
    """Why nothing is forked. The client then starts afresh."""


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """One. `numbers`: of its descriptors in the client; `link`: is at its end when the client is."""

    pid: int
    numbers: tuple[int, ...]
    descriptors: tuple[int, ...]
    link: int
    environ: dict[str, str]

    @classmethod
    def of(cls, connection: socket.socket, pid: int) -> ForkRequest:
        """Read one. Raises OSError and ValueError; nothing stays open then."""
        head, descriptors, _, _ = socket.recv_fds(connection, 8, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        try:
            size = int.from_bytes(head, sys.byteorder)
            if len(head) != 8 or size > MOST_BYTES or not descriptors:
                raise ValueError("that is no request")
            first, *variables = _exactly(connection, size).split(b"\0")
            numbers = tuple(map(int, first.split()))
            if len(numbers) != len(descriptors) - 1:
                raise ValueError("descriptors were lost")
            pairs = (os.fsdecode(variable).partition("=") for variable in variables)
            environ = {name: value for name, _, value in pairs}
            return cls(pid, numbers, tuple(descriptors[:-1]), descriptors[-1], environ)
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise

    def close(self) -> None:
        """Close them here."""
        for descriptor in (*self.descriptors, self.link):
            os.close(descriptor)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = connection.recv(min(size - len(found), 1 << 20))
        if not part:
            raise ValueError("the client is gone")
        found += part
    return bytes(found)
