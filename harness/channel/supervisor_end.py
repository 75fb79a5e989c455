"""The supervisor's end of the line to the watchdog."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

import zmq

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.channel.codec import FRAME_MOST, FormatError, decode_from_watchdog, encode
from lockstep.harness.channel.message_base import ToWatchdog
from lockstep.harness.channel.messages import FromWatchdog
from lockstep.harness.channel.pacing import beat_s
from lockstep.harness.channel.to_watchdog import LeftOut, Log, SupervisorBeat

if TYPE_CHECKING:
    import logging  # takes its time, in each of N supervisors

CONNECT_S = 60.0
REFUSED = 50  # attempts, ten a second where a host refuses: the watchdog listened before this process was started
REFUSED_HERE = 4  # of the loopback, where nothing between refuses in its place: its process is gone
HANDSHAKE_MS = 60_000  # one that is given up begins again at the end of the queue, and thousands may be in it
ROOM_MS = 50  # how long a full queue is waited for before the watchdog is looked at again
_EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED
_EVENT = struct.Struct("=Hi")  # libzmq's monitor frame: event, value


class LostError(RuntimeError):
    """The watchdog is gone: its connection closed, or no sign of it for too long."""


class Line:
    """A DEALER socket that notices within milliseconds when the watchdog's process is gone.

    A watchdog on a host that is cut off closes nothing; it is noticed by its silence.
    """

    def __init__(self, plan: Plan, log: logging.Logger | None = None) -> None:
        """`log`: of the theme `channel`."""
        self._log = log
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.curve_serverkey = plan.server_key.encode()
        self._socket.curve_publickey = plan.public_key.encode()
        self._socket.curve_secretkey = plan.secret_key.encode()
        self._socket.linger = 2000
        self._socket.maxmsgsize = FRAME_MOST  # whoever answers at that address may not fill this host's memory
        self._socket.handshake_ivl = HANDSHAKE_MS
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        self._socket.ipv6 = "[" in plan.endpoint
        self._socket.connect(plan.endpoint)
        self._endpoint = plan.endpoint
        self._refused = REFUSED if plan.remote else REFUSED_HERE
        self._silence_s = plan.silence_s
        self._beat_s = beat_s(plan.world, plan.silence_s)
        self.sent = 0  # messages
        self.unreadable = 0  # what came and was no message
        self._connected = self._disconnected = False
        self._attempts = 0
        self._poller = zmq.Poller()
        for socket in (self._socket, self._monitor):
            self._poller.register(socket, zmq.POLLIN)
        self._waiting: list[FromWatchdog] = []  # came while there was no room to send
        now = time.monotonic()
        self._started = self._heard = self._spoke = now

    def send(self, message: ToWatchdog) -> None:
        """Queue one message. A watchdog that does not read is waited for, until it is lost: raises LostError.

        Of one that is longer than any may be, a dump say, only that is told: the case goes on without it.
        """
        try:
            frames = encode(message)
        except FormatError as error:
            frames = encode(LeftOut(f"{error} was left out: no message may be so long"))
        while True:
            try:
                self._socket.send_multipart(frames, zmq.NOBLOCK)
                break
            except zmq.Again:
                self._hear()
                self._look()
                self._check()
                self._socket.poll(ROOM_MS, zmq.POLLOUT)
        self.sent += 1
        if self._log is not None and not isinstance(message, Log):  # else each would be news for the next
            self._log.debug("sent %r", message)
        self._spoke = time.monotonic()

    def receive(self, timeout_ms: int) -> list[FromWatchdog]:
        """The messages that came within `timeout_ms`. Raises LostError."""
        # One call for both: hundreds of supervisors of one host do this a hundred times a second.
        if self._poller.poll(0 if self._waiting else timeout_ms):
            self._hear()
            self._look()
        self._check()
        if time.monotonic() - self._spoke > self._beat_s:
            self.send(SupervisorBeat())
        found, self._waiting = self._waiting, []
        return found

    def _hear(self) -> None:
        while self._socket.poll(0):
            raw = b"".join(self._socket.recv_multipart())
            self._heard = time.monotonic()
            try:
                self._waiting.append(decode_from_watchdog(raw))
                if self._log is not None:
                    self._log.debug("came %r", self._waiting[-1])
            except FormatError as error:
                self.unreadable += 1
                if self._log is not None:
                    self._log.warning("what came from the watchdog is left out: %s", error)

    def _look(self) -> None:
        """Whether the connection has come or gone."""
        while self._monitor.poll(0):
            # zmq.utils.monitor would do, but it imports asyncio: 16 ms in each of N supervisors.
            event = _EVENT.unpack_from(self._monitor.recv_multipart()[0])[0]
            self._connected |= event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            # Somebody listens, who may have sent this one away among many strangers.
            self._attempts = 0 if event == zmq.EVENT_CONNECTED else self._attempts + (event == zmq.EVENT_CONNECT_RETRIED)
            self._disconnected |= event == zmq.EVENT_DISCONNECTED and self._connected

    def _check(self) -> None:
        """Raise LostError if the watchdog is gone."""
        now = time.monotonic()
        if self._disconnected:
            raise LostError("the watchdog is gone: it closed the connection")
        if not self._connected and (now - self._started > CONNECT_S or self._attempts > self._refused):
            raise LostError(f"no watchdog answers at {self._endpoint}")
        if self._connected and now - self._heard > self._silence_s:
            raise LostError(f"the watchdog has been silent for {self._silence_s:.0f} s")

    def drop(self) -> None:
        """Close when nobody is there to read: what is queued would be kept for two seconds."""
        self._socket.linger = 0
        self.close()

    def close(self) -> None:
        """Send what is queued (for at most two seconds) and close."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()
        self._context.term()
