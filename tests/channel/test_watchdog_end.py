"""The watchdog's end, against those who hold the key and say what no supervisor says, and those who hold none."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from lockstep.harness.channel.codec import FRAME_BYTES, encode
from lockstep.harness.channel.messages import FromSupervisor, FromWatchdog
from lockstep.harness.channel.supervisor_end import Line
from lockstep.harness.channel.to_supervisor import Call, End, WatchdogBeat
from lockstep.harness.channel.to_watchdog import Bye, Dump, Here
from lockstep.harness.channel.watchdog_end import Head
from tests.channel.test_supervisor_end import hello, plan

LONG_S = 60.0
GREETING = b"\xff" + b"\0" * 8 + b"\x7f" + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + b"\0" + b"\0" * 31


@contextlib.contextmanager
def stranger(head: Head) -> Iterator[zmq.Socket[bytes]]:
    """A socket of a program that has read the key."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as found:
        found.curve_serverkey = head.server_key.encode()
        found.curve_publickey = head.client_public.encode()
        found.curve_secretkey = head.client_secret.encode()
        found.linger = 1000
        found.connect(head.endpoint)
        yield found


def heard(head: Head, enough: Callable[[list[tuple[int, FromSupervisor]]], bool]) -> list[tuple[int, FromSupervisor]]:
    """All that comes until it is enough."""
    found: list[tuple[int, FromSupervisor]] = []
    until = time.monotonic() + LONG_S
    while not enough(found):
        assert time.monotonic() < until, found
        found += head.receive(20)
    return found


def told(head: Head, line: Line) -> list[FromWatchdog]:
    """What a supervisor hears beside beats."""
    until = time.monotonic() + LONG_S
    while time.monotonic() < until:
        list(head.receive(0))
        found = line.receive(20)
        while WatchdogBeat() in found:
            found.remove(WatchdogBeat())
        if found:
            return found
    raise AssertionError("nothing came")


GARBAGE: list[Any] = [
    [b""], [b"\xc1"], [b"x", b"y", b"z"], [msgpack.packb({"type": "hello"})], [msgpack.packb([1, 2])], [msgpack.packb(7)],
    [b"\x91" * 2000], [msgpack.packb(["Hello", 10**6])], [msgpack.packb(["Delta", b"x", [], 0, [], 0, {}, 0, -1])],
    [b"\xdd\x7f\xff\xff\xff" + b"\x80" * 100_000], [b"\x93\xa6Output", b"\xc4\x01a"],
]  # fmt: skip


def test_what_is_no_message_is_counted_and_left_out() -> None:
    """From a known supervisor or from nobody, in one frame or several: what comes after it is read as before."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        with stranger(head) as other:
            for frames in GARBAGE:
                other.send_multipart(frames)
                line._socket.send_multipart(frames)
            line.send(Here(7))
            enough = lambda found: (0, Here(7)) in found and head.unreadable[-1] == len(GARBAGE)  # noqa: E731
            found = heard(head, enough)
        assert [type(message).__name__ for _, message in found] == ["Hello", "Here"]
        assert head.unreadable == {0: len(GARBAGE), -1: len(GARBAGE)}
        assert (head.unread(), head.unread()) == ({0}, set())
        line.close()


def test_a_long_message_comes_in_several_frames() -> None:
    """It is one message, and what is longer than any may be is none, however many frames it takes."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        dump = Dump("nccl-ras.json", bytes(3 * FRAME_BYTES))
        line.send(dump)
        line._socket.send_multipart([bytes(FRAME_BYTES)] * 65)
        line.send(Bye())
        found = heard(head, lambda found: (0, Bye()) in found)
        assert [message for _, message in found][1:] == [dump, Bye()]
        assert head.unreadable == {0: 1}
        line.close()


@pytest.mark.skipif(not Path("/proc/self/net/if_inet6").is_file(), reason="this kernel has no IPv6")
def test_it_listens_at_an_address_of_version_6() -> None:
    """Both ends speak there as elsewhere, and know by it that they are on one host."""
    with Head(1, "::1") as head:
        assert head.endpoint.startswith("tcp://[::1]:")
        told_here = plan(head.endpoint, head)
        assert not told_here.remote
        assert replace(told_here, endpoint="tcp://[fd00::1]:9").remote
        line = Line(told_here)
        line.send(hello(0))
        heard(head, lambda found: bool(found))
        head.send(0, Call(1))
        assert told(head, line) == [Call(1)]
        line.close()


def test_nobody_takes_the_place_of_another() -> None:
    """A second supervisor of a rank is refused, and told to end; the first is heard and told as before."""
    with Head(2) as head:
        first, second = (Line(plan(head.endpoint, head)) for _ in range(2))
        first.send(hello(0))
        heard(head, lambda found: bool(found))
        second.send(hello(0))
        heard(head, lambda _: bool(head.refusal))
        assert "two supervisors say that they are rank 0" in head.refusal
        second.send(Here(1))
        first.send(Here(2))
        assert heard(head, lambda found: bool(found)) == [(0, Here(2))]
        head.send(0, Call(3))
        assert told(head, first) == [Call(3)]
        head.send_all(End(keep=False))
        assert told(head, first) == told(head, second) == [End(keep=False)]
        for line in (first, second):
            line.close()


@pytest.mark.parametrize("rank", [2, 10**6, 2**62])
def test_there_are_only_so_many_ranks(rank: int) -> None:
    """One beyond them is refused, and said to be."""
    with Head(2) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(rank))
        assert heard(head, lambda _: bool(head.refusal)) == []
        assert f"rank {rank} of 2" in head.refusal
        line.close()


def test_a_second_hello_on_the_same_line() -> None:
    """It is no message: a supervisor says hello once."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        line.send(hello(0))
        line.send(Bye())
        found = heard(head, lambda found: (0, Bye()) in found)
        assert (len(found), head.refusal, head.unreadable) == (2, "", {0: 1})
        line.close()


def memory() -> int:
    """What of this process is in memory, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20


def test_memory_before_any_key() -> None:
    """Who declares two gigabytes before it has shown a key is sent away: the connection closes, and memory stays."""
    with Head(2) as head:
        host, port = head.endpoint.removeprefix("tcp://").rsplit(":", 1)
        before = memory()
        with socket.create_connection((host, int(port)), LONG_S) as client:
            client.sendall(GREETING)
            client.recv(64)
            with pytest.raises(OSError, match=r"reset|pipe"):
                client.sendall(b"\x06" + struct.pack(">Q", 2 << 30))
                for _ in range(1200):
                    client.sendall(b"\x05HELLO" + b"A" * (1 << 20))
        assert memory() - before < 100
        line = Line(plan(head.endpoint, head))  # ... and the next one, who has a key, is heard
        line.send(hello(1))
        heard(head, lambda found: bool(found))
        line.close()


def test_whoever_answers_in_the_place_of_a_watchdog() -> None:
    """A message of the watchdog that is none does not end a supervisor."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        heard(head, lambda found: bool(found))
        for frames in GARBAGE:
            head._socket.send_multipart([head._routes[0], *frames])
        head._socket.send_multipart([head._routes[0], *encode(Bye())])
        head.send(0, Call(1))
        assert told(head, line) == [Call(1)]
        assert line.unreadable == len(GARBAGE) + 1
        line.close()
