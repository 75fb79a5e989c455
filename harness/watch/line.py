"""The supervisor's end of the line to the watchdog."""

from __future__ import annotations

import struct
import time
from typing import Any

import zmq

from harness.watch import wire
from harness.watch.plan import Plan

CONNECT_S = 60.0
_EVENT = struct.Struct("=Hi")  # libzmq's monitor frame: event, value


class Line:
    """A DEALER socket that notices within milliseconds when the watchdog's process is gone."""

    def __init__(self, plan: Plan) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.curve_serverkey = plan.server_key.encode()
        self._socket.curve_publickey = plan.public_key.encode()
        self._socket.curve_secretkey = plan.secret_key.encode()
        self._socket.linger = 2000
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._socket.connect(plan.endpoint)
        self._connected = False
        self._disconnected = False
        now = time.monotonic()
        self._started = self._heard = self._spoke = now

    def send(self, kind: str, **fields: Any) -> None:
        """Queue one message."""
        self._socket.send(wire.encode(kind, **fields))
        self._spoke = time.monotonic()

    def receive(self, timeout_ms: int) -> list[dict[str, Any]]:
        """The messages that came within `timeout_ms`."""
        found: list[dict[str, Any]] = []
        wait = timeout_ms
        while self._socket.poll(wait):
            found.append(wire.decode(self._socket.recv()))
            self._heard = time.monotonic()
            wait = 0
        if time.monotonic() - self._spoke > wire.BEAT_S:
            self.send("beat")
        return found

    def lost(self) -> bool:
        """Whether the watchdog is gone: its connection closed, or no sign of it for too long."""
        while self._monitor.poll(0):
            # zmq.utils.monitor would do, but it imports asyncio: 16 ms in each of N supervisors.
            event = _EVENT.unpack_from(self._monitor.recv_multipart()[0])[0]
            self._connected |= event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            self._disconnected |= event == zmq.EVENT_DISCONNECTED
        if not self._connected:
            return time.monotonic() - self._started > CONNECT_S
        return self._disconnected or time.monotonic() - self._heard > wire.SILENCE_S

    def close(self) -> None:
        """Send what is queued (for at most two seconds) and close."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()
        self._context.term()
