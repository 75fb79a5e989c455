"""Which connections to the watchdog have closed, and whose they were: libzmq's monitor of its socket."""

from __future__ import annotations

import struct
from typing import Any

import zmq

_ADDRESS = "inproc://closed"
_EVENT = struct.Struct("=Hi")  # libzmq's monitor frame: event, value


class ClosedConnections:
    """Of the ranks whose supervisors have said hello. Made before the socket is bound."""

    def __init__(self, context: zmq.Context[Any], socket: zmq.Socket[Any]) -> None:
        self._socket = socket
        socket.monitor(_ADDRESS, zmq.EVENT_DISCONNECTED)
        self._monitor = context.socket(zmq.PAIR)
        self._monitor.rcvhwm = 0  # thousands may close while nobody looks, and a full queue would stop the socket
        self._monitor.connect(_ADDRESS)
        self._open: dict[int, int] = {}  # descriptor -> rank
        self._closed: list[int] = []  # ranks whose connections have closed, and nobody has been told

    def close(self) -> None:
        """Before its socket is."""
        self._socket.monitor(None, 0)
        self._monitor.close()

    def add(self, descriptor: int, rank: int) -> None:
        """A rank's supervisor has said hello through this descriptor."""
        # What closed before this one came may have had the same descriptor: a handshake that took too long, say.
        self._look()
        self._open[descriptor] = rank

    def new(self) -> list[int]:
        """The ranks whose connections have closed since the last call.

        A connection keeps its descriptor until it closes, so that the notice can mean no other. Who had not said hello by
        then was nobody.
        """
        self._look()
        found, self._closed = self._closed, []
        return found

    def _look(self) -> None:
        while self._monitor.poll(0):
            rank = self._open.pop(_EVENT.unpack_from(self._monitor.recv_multipart()[0])[1], None)
            if rank is not None:
                self._closed.append(rank)
