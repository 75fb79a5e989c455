"""A running head under attack: floods, slow clients, replays, keys of other runs. Who has the key is heard all the while."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.channel.codec import encode
from lockstep.harness.channel.connections import STRANGERS
from lockstep.harness.channel.supervisor_end import HANDSHAKE_MS, Line
from lockstep.harness.channel.to_supervisor import Call, Look
from lockstep.harness.channel.to_watchdog import Bye, Here
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.ip_address import split_port
from tests.channel.test_supervisor_end import hello, plan
from tests.channel.test_watchdog_end import GREETING, heard, memory, stranger

ROOT = Path(__file__).parents[2]
LONG_S = 60.0
FILES = 1000  # more than all connections together


@dataclass
class Alone:
    """A head in a process of its own."""

    process: subprocess.Popen[str]
    place: tuple[str, int]
    plan: Plan

    def says(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextlib.contextmanager
def alone(files: int) -> Iterator[Alone]:
    """One that may have so many open files."""
    words = [sys.executable, "-m", "tests.channel.head_alone", str(files)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told: Any = SimpleNamespace(**json.loads(process.stdout.readline()))
            yield Alone(process, split_port(told.endpoint), plan(told.endpoint, told))
        finally:
            process.kill()


@contextlib.contextmanager
def flood(place: tuple[str, int], said: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections without a key: as many as there may be, made anew while they are sent away, each with its first words."""
    over, held = threading.Event(), [socket.create_connection(place, LONG_S) for _ in range(count)]

    def go_on() -> None:
        number = 0
        while not over.is_set():
            with contextlib.suppress(OSError):
                held[number % count].sendall(said)
                if not held[number % count].recv(64, socket.MSG_DONTWAIT):
                    held[number % count].close()
                    held[number % count] = socket.create_connection(place, LONG_S)
            number += 1

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()
        for one in held:
            one.close()


@pytest.mark.parametrize("said", [b"", GREETING, GREETING[:10]], ids=["silent", "greeting", "half a greeting"])
def test_a_flood_of_connections(said: bytes) -> None:
    """Of those without a key only some stay; made anew all the time they keep nobody who has the key from being heard."""
    with alone(FILES) as head, flood(head.place, said, 3 * STRANGERS):
        line = Line(head.plan)
        line.send(hello(0))
        assert head.says() == "0 Hello"
        for epoch in range(20):
            line.send(Here(epoch))
            assert head.says() == "0 Here"
        line.receive(0)
        line.send(Bye())
        assert [head.says() for _ in range(2)] == ["0 Bye", "closed []"]
        line.close()
        assert head.process.wait(LONG_S) == 0


def test_only_so_many_strangers_stay() -> None:
    """The oldest of them are sent away, long before their time for a handshake is over; the others may yet show a key."""
    with Head(1) as head, contextlib.ExitStack() as stack:
        place = split_port(head.endpoint)
        others = [stack.enter_context(socket.create_connection(place, LONG_S)) for _ in range(3 * STRANGERS)]
        for one in others[: -1 - STRANGERS]:
            one.settimeout(HANDSHAKE_MS / 2000)
            while one.recv(64):  # its greeting, then the end
                pass
        for one in others[-1 - STRANGERS :]:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    assert one.recv(64)
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        heard(head, lambda found: bool(found))
        line.close()


def test_one_who_says_a_byte_now_and_then() -> None:
    """Nobody waits for a client that is slow with its handshake; what it says is not kept either."""
    with Head(1) as head, socket.create_connection(split_port(head.endpoint), LONG_S) as slow:
        line = Line(plan(head.endpoint, head))
        words = GREETING + b"\x04" + bytes([200]) + b"\x05HELLO"
        for number, byte in enumerate(words):
            slow.sendall(bytes([byte]))
            if number == len(words) // 2:
                line.send(hello(0))
                heard(head, lambda found: bool(found))
        line.send(Bye())
        assert (0, Bye()) in heard(head, lambda found: bool(found))
        line.close()


def test_what_was_recorded_is_not_heard_again() -> None:
    """All that a supervisor has sent, sent once more over a connection of its own, is heard by nobody."""
    with Head(2) as head:
        with relay(head) as recorded:
            line = Line(plan(f"tcp://{recorded.place[0]}:{recorded.place[1]}", head))
            line.send(hello(0))
            line.send(Bye())
            heard(head, lambda found: len(found) == 2)
            line.close()
        assert len(recorded.sent) > 400
        with socket.create_connection(split_port(head.endpoint), LONG_S) as again:
            sent_again(again, bytes(recorded.sent))
            other = Line(plan(head.endpoint, head))
            other.send(hello(1))
            found = heard(head, lambda found: bool(found))
            found += head.receive(200)
        assert [rank for rank, _ in found] == [1]
        assert (head.refusal, head.unreadable) == ("", {})
        other.close()


@dataclass
class Recorded:
    """What a client has sent through a relay, and where that is."""

    place: tuple[str, int]
    sent: bytearray


@contextlib.contextmanager
def relay(head: Head) -> Iterator[Recorded]:
    """Hands on what comes between one client and the head."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        recorded = Recorded(server.getsockname(), bytearray())

        def hand_on() -> None:
            client, _ = server.accept()
            with client, socket.create_connection(split_port(head.endpoint), LONG_S) as behind:
                other = {client: behind, behind: client}
                while True:
                    for one in select.select([client, behind], [], [], LONG_S)[0]:
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        recorded.sent += data if one is client else b""
                        other[one].sendall(data)

        thread = threading.Thread(target=hand_on, daemon=True)
        thread.start()
        yield recorded
        thread.join(LONG_S)


def sent_again(line: socket.socket, words: bytes) -> None:
    """Send it as it was; the head may end the connection at any moment."""
    with contextlib.suppress(OSError):
        line.sendall(words)


def test_the_key_of_another_run() -> None:
    """It opens nothing, neither with that run's own key of the watchdog nor with this one's."""
    with Head(1) as head, Head(1) as other, zmq.Context() as context:
        sockets = []
        for key in (head.server_key, other.server_key):
            one = context.socket(zmq.DEALER)
            one.curve_serverkey, one.linger = key.encode(), 0
            one.curve_publickey, one.curve_secretkey = other.client_public.encode(), other.client_secret.encode()
            one.connect(head.endpoint)
            sockets.append(one)
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        found = heard(head, lambda found: bool(found))
        for epoch in range(20):
            for one in sockets:  # refused for good it has nowhere to send
                with contextlib.suppress(zmq.Again):
                    one.send_multipart(encode(hello(0)), zmq.NOBLOCK)
            line.send(Here(epoch))
            found += heard(head, lambda found: bool(found))
        assert [message for _, message in found][1:] == [Here(epoch) for epoch in range(20)]
        assert (head.refusal, head.unreadable, list(other.receive(0))) == ("", {}, [])
        for one in sockets:
            one.close()
        line.close()


def test_a_flood_of_messages_by_who_has_the_key() -> None:
    """They are counted; what a supervisor says between them is heard, in its order, and memory does not grow with them."""
    with Head(1) as head, stranger(head) as one:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        heard(head, lambda found: bool(found))
        over, before = threading.Event(), memory()

        def go_on() -> None:
            while not over.is_set():
                with contextlib.suppress(zmq.Again):
                    one.send(b"\xc1" * 1000, zmq.NOBLOCK)

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            for epoch in range(50):
                line.send(Here(epoch))
                assert heard(head, lambda found: bool(found)) == [(0, Here(epoch))]
                line.receive(0)
            until = time.monotonic() + LONG_S
            while head.unreadable[-1] < 1000 and time.monotonic() < until:
                assert list(head.receive(20)) == []
        finally:
            over.set()
            thread.join()
        assert head.unreadable[-1] >= 1000
        assert memory() - before < 100
        line.close()


def until_told(head: Head, line: Line, wanted: Call) -> None:
    """Both go on until a supervisor has heard it."""
    until = time.monotonic() + LONG_S
    while wanted not in line.receive(20):
        assert time.monotonic() < until
        list(head.receive(0))


def test_a_supervisor_that_stops_reading() -> None:
    """What is said to it is dropped when its queue is full: the head waits for nobody, and others are told all."""
    with Head(2) as head:
        deaf, line = (Line(plan(head.endpoint, head)) for _ in range(2))
        deaf.send(hello(0))
        line.send(hello(1))
        heard(head, lambda found: len(found) == 2)
        before, began = memory(), time.monotonic()
        long = Look(tuple(range(20_000)), ())
        for epoch in range(3000):
            head.send(0, long)
            head.send(1, Call(epoch))
            if epoch % 100 == 99:
                until_told(head, line, Call(epoch))
        assert time.monotonic() - began < LONG_S
        assert memory() - before < 300
        for one in (deaf, line):
            one._socket.linger = 0
            one.close()
