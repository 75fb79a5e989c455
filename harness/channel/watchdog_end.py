"""The watchdog's end of the line to the supervisors: a ROUTER socket that only the holders of this run's key may use."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from lockstep.harness.channel.bootstrap import SILENCE_S
from lockstep.harness.channel.codec import FRAME_MOST, MESSAGE_BYTES, FormatError, decode_from_supervisor, encode
from lockstep.harness.channel.connections import Connections
from lockstep.harness.channel.message_base import ToSupervisor
from lockstep.harness.channel.messages import FromSupervisor
from lockstep.harness.channel.pacing import MOST_ROUND_S, Listening, beat_s, round_s
from lockstep.harness.channel.supervisor_end import HANDSHAKE_MS
from lockstep.harness.channel.to_supervisor import End, Leave, WatchdogBeat
from lockstep.harness.channel.to_watchdog import Hello
from lockstep.harness.ip_address import TCP, loopback, with_port

LOGGED = 10  # of what is no message, from one peer
SURPLUS = 100  # supervisors that have no place are told to end, so many of them more than have one
BACKLOG = 4096  # connections that wait to be accepted; the kernel's net.core.somaxconn counts when it is less
# Numbers: an operation on zmq's enums takes longer than a send.
_AT_ONCE, _WITH_MORE, _MORE = int(zmq.NOBLOCK), int(zmq.SNDMORE), int(zmq.RCVMORE)


class _OneKey:
    """CURVE credentials: the one client key of this run. `door`: held by whoever ends connections without it."""

    def __init__(self, key: bytes, door: threading.Lock) -> None:
        self._key, self._door = key, door

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key may talk to us."""
        with self._door:
            return key == self._key


class Head:
    """Binds on `address`, or the loopback, at a free port, with fresh keys; knows supervisors by rank once they said hello.

    `peers`: how many are awaited. A connection that closes is noticed, since nothing but a supervisor's end closes it.
    `silence_s`: after which a peer is lost. `log`: of the theme `channel`.
    """

    def __init__(
        self, peers: int, address: str = "", silence_s: float = SILENCE_S, log: logging.Logger | None = None
    ) -> None:
        self._log = log or logging.Logger("lockstep.channel", logging.CRITICAL)
        self._traces = self._log.isEnabledFor(logging.DEBUG)
        server_public, server_secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        self.server_key = server_public.decode()
        self.client_public = client_public.decode()
        self.client_secret = client_secret.decode()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._connections = Connections(self._context, self._socket, peers)
        self._auth = ThreadAuthenticator(self._context)
        self._auth.start()
        self._auth.configure_curve_callback(domain="*", credentials_provider=_OneKey(client_public, self._connections.door))
        self._socket.curve_server = True
        self._socket.curve_secretkey = server_secret
        self._socket.curve_publickey = server_public
        self._socket.linger = 1000
        self._socket.maxmsgsize = FRAME_MOST  # else whoever connects, with a key or without, may fill this host's memory
        self._socket.backlog = BACKLOG  # all come at once
        self._socket.handshake_ivl = HANDSHAKE_MS  # ... and wait for their turn
        address = address or loopback()
        self._socket.ipv6 = ":" in address
        port = self._socket.bind_to_random_port(TCP + with_port(address, 0).removesuffix(":0"))
        self.endpoint = TCP + with_port(address, port)
        self._routes: dict[int, bytes] = {}
        self._ranks: dict[bytes, int] = {}
        self._peers = peers
        self._refused: list[bytes] = []  # the routes of supervisors that have no place here; they are told to end too
        self._parting: list[ToSupervisor] = []  # that all are to end, and to leave
        self.refusal = ""  # why the first of them was refused: the case cannot be judged
        self._unread: set[int] = set()
        self.unreadable: Counter[int] = Counter()  # by rank, what came and was no message; -1: from nobody that is known
        self._beat = 0.0
        self._beat_s = beat_s(peers, silence_s)
        self._round_s = round_s(peers)
        self.listening = Listening()

    def __enter__(self) -> Head:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._connections.close()
        self._socket.close()
        self._auth.stop()
        self._context.term()

    def receive(self, timeout_ms: int) -> Iterator[tuple[int, FromSupervisor]]:
        """The messages that came within `timeout_ms`, each with its rank. What is no message is counted and left out.

        Where there are many peers, those that come within a round; but no more than one round's, lest nobody looks at them.
        """
        self._send_beat()
        began = time.monotonic()
        wait, drained = timeout_ms, False
        while True:
            try:
                route = self._socket.recv(_AT_ONCE)
            except zmq.Again:
                drained = True  # all that had come until now
                if wait > 0 and self._socket.poll(wait):
                    continue
                wait = int((began + self._round_s - time.monotonic()) * 1e3)
                if wait <= 0:
                    break
                continue
            wait = 0
            message = self._read(route)
            if message is not None:
                yield self._ranks[route], message
            if time.monotonic() - began > MOST_ROUND_S:
                break
        self.listening.round(time.monotonic(), drained)

    def _read(self, route: bytes) -> FromSupervisor | None:
        """The message behind a route; None when it is none, or not of a rank's supervisor."""
        rank = self._ranks.get(route, -1)
        descriptor = -1
        if rank >= 0:
            raw = self._socket.recv()
        else:
            frame = self._socket.recv(copy=False)
            descriptor, raw = int(frame.get(zmq.SRCFD)), frame.bytes
        if self._socket.getsockopt(_MORE):
            raw = _whole(self._socket, raw)
        try:
            message = decode_from_supervisor(raw)
        except FormatError as error:
            self._leave_out(rank, str(error))
            return None
        if rank >= 0:
            if isinstance(message, Hello):  # a second one
                self.refuse(rank, message)
                return None
            if self._traces:
                self._log.debug("rank %d: came %r", rank, message)
            return message
        welcome = isinstance(message, Hello) and self._welcome(message.rank, route, descriptor)
        return message if welcome else None

    def refuse(self, rank: int, message: FromSupervisor) -> None:
        """What a known supervisor may not say, or not yet, counts like what is no message."""
        self._leave_out(rank, f"not expected: {message!r}")

    def _leave_out(self, rank: int, why: str) -> None:
        self.unreadable[rank] += 1
        if rank >= 0:
            self._unread.add(rank)
        if self.unreadable[rank] <= LOGGED:  # a flood of them fills no disk
            whose = f"the supervisor of rank {rank}" if rank >= 0 else "somebody who has the key and is no supervisor"
            self._log.warning("what came from %s is left out: %s", whose, why)

    def unread(self) -> set[int]:
        """The ranks of whose supervisors something came since the last call that was no message."""
        found, self._unread = self._unread, set()
        return found

    def _welcome(self, rank: int, route: bytes, descriptor: int) -> bool:
        """Whether there is a place for a supervisor that says that it is this rank. Who comes late is told what all were."""
        for message in self._parting:
            self._socket.send_multipart([route, *encode(message)])
        if rank >= self._peers or rank in self._routes:
            # Never in the place of the first: that one's rank would be judged by what another does.
            if rank in self._routes:
                why = f"two supervisors say that they are rank {rank}: the launcher has started it twice"
            else:
                why = f"a supervisor says that it is rank {rank} of {self._peers}: the launcher has started too many"
            self.refusal = self.refusal or why
            self._log.warning("refused: %s", why)
            if route not in self._refused and len(self._refused) < self._peers + SURPLUS:
                self._refused.append(route)
            return False
        self._routes[rank] = route
        self._ranks[route] = rank
        self._connections.add(descriptor, rank)
        self._log.info("rank %d has said hello, %d of %d have", rank, len(self._routes), self._peers)
        return True

    def closed(self) -> list[int]:
        """The ranks whose connections have closed since the last call."""
        return self._connections.new()

    @property
    def known(self) -> bool:
        """Whether any supervisor has said hello."""
        return bool(self._routes)

    def send(self, rank: int, message: ToSupervisor) -> None:
        """One message to a rank's supervisor; nothing when it has never said hello."""
        self.send_to((rank,), message)

    def send_all(self, message: ToSupervisor) -> None:
        """One message to every supervisor; also to those that were refused, which are to end like the others."""
        self.send_to(self._routes, message)
        for route in self._refused:
            self._socket.send_multipart([route, *encode(message)])
        if isinstance(message, (End, Leave)):
            self._parting.append(message)

    def send_to(self, ranks: Iterable[int], message: ToSupervisor) -> None:
        """The same message to several."""
        frames = encode(message)
        if self._traces and not isinstance(message, WatchdogBeat):
            ranks = list(ranks)
            self._log.debug("to %s: %r", "all" if len(ranks) == self._peers else f"ranks {ranks}", message)
        for rank in ranks:
            if rank in self._routes:
                self._socket.send(self._routes[rank], _WITH_MORE)
                for frame in frames[:-1]:
                    self._socket.send(frame, _WITH_MORE)
                self._socket.send(frames[-1])

    def _send_beat(self) -> None:
        if time.monotonic() - self._beat > self._beat_s:
            self._beat = time.monotonic()
            self.send_all(WatchdogBeat())


def _whole(socket: zmq.Socket[Any], first: bytes) -> bytes:
    """A message that comes in several frames; of one that is too long only so much that it is no message."""
    parts, size = [first], len(first)
    while socket.getsockopt(_MORE):
        part = socket.recv()
        size += len(part)
        if size <= MESSAGE_BYTES:
            parts.append(part)
    return b"".join(parts) if size <= MESSAGE_BYTES else b""
