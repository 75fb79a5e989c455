"""The watchdog's end of the line to the supervisors: a ROUTER socket that only the holders of this run's key may use."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from harness.watch import wire

_MONITOR = "inproc://closed"
_EVENT = struct.Struct("=Hi")  # libzmq's monitor frame: event, value


class _OneKey:
    """CURVE credentials: the one client key of this run."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key may talk to us."""
        return key == self._key


class Head:
    """Binds on `address` (a free port is chosen) with fresh keys; knows supervisors by rank once they said hello.

    `peers`: how many are awaited. A connection that closes is noticed, since nothing but a supervisor's end closes it.
    """

    def __init__(self, peers: int, address: str = "127.0.0.1") -> None:
        server_public, server_secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        self.server_key = server_public.decode()
        self.client_public = client_public.decode()
        self.client_secret = client_secret.decode()
        self._context = zmq.Context()
        self._auth = ThreadAuthenticator(self._context)
        self._auth.start()
        self._auth.configure_curve_callback(domain="*", credentials_provider=_OneKey(client_public))
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.curve_server = True
        self._socket.curve_secretkey = server_secret
        self._socket.curve_publickey = server_public
        self._socket.linger = 1000
        self._socket.monitor(_MONITOR, zmq.EVENT_DISCONNECTED)
        self._monitor = self._context.socket(zmq.PAIR)
        self._monitor.rcvhwm = 0  # thousands may close while nobody looks, and a full queue would stop the socket
        self._monitor.connect(_MONITOR)
        port = self._socket.bind_to_random_port(f"tcp://{address}")
        self.endpoint = f"tcp://{address}:{port}"
        self._routes: dict[int, bytes] = {}
        self._ranks: dict[bytes, int] = {}
        self._peers = peers
        self._connections: dict[int, int] = {}  # descriptor -> rank
        self._beat = 0.0

    def __enter__(self) -> Head:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.monitor(None, 0)
        self._monitor.close()
        self._socket.close()
        self._auth.stop()
        self._context.term()

    def receive(self, timeout_ms: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """The messages that came within `timeout_ms`, each with its rank."""
        self._send_beat()
        wait = timeout_ms
        while self._socket.poll(wait):
            wait = 0
            if len(self._routes) < self._peers:
                frames = self._socket.recv_multipart(copy=False)
                route, message = frames[0].bytes, wire.decode(frames[1].bytes)
                if message["type"] == "hello":
                    self._welcome(message["rank"], route, frames[1].get(zmq.SRCFD))
            else:
                route, raw = self._socket.recv_multipart()
                message = wire.decode(raw)
            if route in self._ranks:
                yield self._ranks[route], message

    def _welcome(self, rank: int, route: bytes, descriptor: int) -> None:
        self._routes[rank] = route
        self._ranks[route] = rank
        self._connections[descriptor] = rank

    def closed(self) -> list[int]:
        """The ranks whose connections have closed since the last call.

        A connection keeps its descriptor until it closes, so that the notice can mean no other. Who had not said hello by
        then was nobody.
        """
        found: list[int] = []
        while self._monitor.poll(0):
            rank = self._connections.pop(_EVENT.unpack_from(self._monitor.recv_multipart()[0])[1], None)
            if rank is not None:
                found.append(rank)
        return found

    @property
    def known(self) -> bool:
        """Whether any supervisor has said hello."""
        return bool(self._routes)

    def send(self, rank: int, kind: str, **fields: Any) -> None:
        """One message to a rank's supervisor; nothing when it has never said hello."""
        if rank in self._routes:
            self._socket.send_multipart([self._routes[rank], wire.encode(kind, **fields)])

    def send_all(self, kind: str, **fields: Any) -> None:
        """One message to every supervisor."""
        for rank in self._routes:
            self.send(rank, kind, **fields)

    def _send_beat(self) -> None:
        if time.monotonic() - self._beat > wire.BEAT_S:
            self._beat = time.monotonic()
            self.send_all("beat")
