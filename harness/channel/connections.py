"""The connections to the watchdog, by libzmq's monitor of its socket: whose have closed, and those of nobody, of which only
so many stay: whoever can connect could else take all open files that this process may have.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from typing import Any

import zmq

STRANGERS = 100  # connections that have shown no key, beside those of the peers that are awaited
_ADDRESS = "inproc://connections"
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
_ACCEPTED, _SHAKEN = int(zmq.EVENT_ACCEPTED), int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_EVENT = struct.Struct("=Hi")  # libzmq's monitor frame: event, value
_ACKNOWLEDGED = struct.Struct("120xQ")  # tcpi_bytes_acked in Linux's tcp_info, since 4.1
_GREETED = 80  # bytes: more than libzmq's greeting of 64, and less than it with the answer to a first word that was right


class Connections:
    """Of the ranks whose supervisors have said hello, and of those that have not. Made before the socket is bound.

    A thread looks after them: a flood does not wait until the watchdog has time for it.
    """

    def __init__(self, context: zmq.Context[Any], server: zmq.Socket[Any], peers: int) -> None:
        self._server = server
        self._most = peers + STRANGERS
        server.monitor(_ADDRESS, _EVENTS)
        self._monitor = context.socket(zmq.PAIR)
        self._monitor.rcvhwm = 0  # thousands may close while nobody looks, and a full queue would stop the socket
        self._monitor.connect(_ADDRESS)
        self._open: dict[int, int] = {}  # descriptor -> rank
        self._closed: list[int] = []  # ranks whose connections have closed, and nobody has been told
        self._accepted = 0
        self._strange: dict[int, int] = {}  # descriptors without a key, the oldest first, each by its number
        self.sent_away = 0
        self._lock = threading.Lock()  # of the monitor's socket too, which two threads read, one at a time
        # Held while one is sent away, and to let one in: whose handshake is over never loses its connection.
        self.door = threading.Lock()
        self._over, self._end = os.pipe()
        self._thread = threading.Thread(target=self._look_after, name="connections", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Before its socket is."""
        os.close(self._end)
        self._thread.join()
        os.close(self._over)
        self._server.monitor(None, 0)
        self._monitor.close()

    def add(self, descriptor: int, rank: int) -> None:
        """A rank's supervisor has said hello through this descriptor."""
        with self._lock:
            # What closed before this one came may have had the same descriptor: a handshake that took too long, say.
            self._look()
            self._open[descriptor] = rank

    def new(self) -> list[int]:
        """The ranks whose connections have closed since the last call.

        A connection keeps its descriptor until it closes, so that the notice can mean no other. Who had not said hello by
        then was nobody.
        """
        with self._lock:
            self._look()
            found, self._closed = self._closed, []
            return found

    def _look_after(self) -> None:
        # By its descriptor: whoever polled the socket itself would use it, and another thread may be doing so.
        poller, news = select.poll(), int(self._monitor.getsockopt(zmq.FD))
        for descriptor in (news, self._over):
            poller.register(descriptor, select.POLLIN)
        while True:
            with self._lock:
                self._look()  # to the end, and once before anything is waited for: else the descriptor tells of nothing
                while len(self._strange) > self._most:
                    self._send_away(*next(iter(self._strange.items())))
            if any(ready == self._over for ready, _ in poller.poll()):
                return

    def _look(self) -> None:
        while self._monitor.poll(0):
            event, descriptor = _EVENT.unpack_from(self._monitor.recv_multipart()[0])
            if event == _ACCEPTED:
                self._accepted += 1
                self._strange[descriptor] = self._accepted
                continue
            self._strange.pop(descriptor, None)
            if event == _SHAKEN:
                continue
            rank = self._open.pop(descriptor, None)
            if rank is not None:
                self._closed.append(rank)

    def _send_away(self, descriptor: int, number: int) -> None:
        """End the oldest, if it has not shown that it knows this run's key; one that would have connects again."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as held, self.door:
            # It may have closed meanwhile, and the descriptor may be another's. libzmq tells of an end before it closes:
            # if it has told of none, what is held is this one.
            self._look()
            if self._strange.get(descriptor) == number and not _answered(held):
                held.shutdown(socket.SHUT_RDWR)
                self.sent_away += 1
        if self._strange.get(descriptor) == number:
            del self._strange[descriptor]


def _answered(connection: socket.socket) -> bool:
    """Whether the other side has had an answer to its first word, which nobody can say without the server's key."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return len(told) < _ACKNOWLEDGED.size or int(_ACKNOWLEDGED.unpack_from(told)[0]) > _GREETED
