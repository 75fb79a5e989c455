"""The KV agent: a thread that serves a rank's registered KV memory to others, descriptor by descriptor, as NIXL's does."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge

from lockstep.harness.ip_address import family

TIMEOUT_S = 30.0


class TransferError(RuntimeError):
    """The other side cannot give what was asked for."""


@dataclass(frozen=True, slots=True)
class Region:
    """What a rank tells others of its memory: where its agent is, and how many blocks each part of it has."""

    host: str
    port: int
    key: bytes
    blocks: int


class KvAgent:
    """Serves `read(descriptor)`, which raises IndexError for one that is not registered."""

    def __init__(self, blocks: int, read: Callable[[int], object], host: str = "127.0.0.1") -> None:
        """Listen on a free port of this host."""
        self._read = read
        key = secrets.token_bytes(16)
        self._listener = Listener((host, 0), family(host).name, authkey=key)
        self.region = Region(host, int(self._listener.address[1]), key, blocks)
        threading.Thread(target=self._serve, name="kv agent", daemon=True).start()

    def close(self) -> None:
        """No more readers."""
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                with self._listener.accept() as reader, suppress(EOFError):
                    while True:
                        reader.send(self._answer(reader.recv()))

    def _answer(self, descriptor: int) -> object:
        try:
            return self._read(descriptor)
        except IndexError as error:
            return TransferError(str(error))


def _connected(region: Region) -> Connection:
    """The library's own client knows addresses of version 4 only."""
    with socket.create_connection((region.host, region.port)) as line:
        connection = Connection(line.detach())
    answer_challenge(connection, region.key)
    deliver_challenge(connection, region.key)
    return connection


def fetch(region: Region, descriptors: list[int]) -> list[object]:
    """What the descriptors of another rank's memory hold. Raises TransferError."""
    found: list[object] = []
    with _connected(region) as agent:
        for descriptor in descriptors:
            agent.send(descriptor)
            if not agent.poll(TIMEOUT_S):
                raise TransferError(f"no answer within {TIMEOUT_S:g} s")
            answer = agent.recv()
            if isinstance(answer, TransferError):
                raise answer
            found.append(answer)
    return found
