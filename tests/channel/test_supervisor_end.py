"""The supervisor's end of the line: how it notices that there is no watchdog."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.channel.codec import MESSAGE_BYTES
from lockstep.harness.channel.identity import clocks, identity
from lockstep.harness.channel.messages import FromSupervisor
from lockstep.harness.channel.supervisor_end import CONNECT_S, REFUSED, REFUSED_HERE, Line, LostError
from lockstep.harness.channel.to_supervisor import WatchdogBeat
from lockstep.harness.channel.to_watchdog import Dump, Hello, LeftOut, Output
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.host.ports import free_port


def plan(endpoint: str, head: Head, silence_s: float = 30.0) -> Plan:
    """A plan with a head's keys."""
    return Plan(
        endpoint, head.server_key, head.client_public, head.client_secret, argv=(), spec={}, world=1, capacity=16,
        nodes=(1,), chosen=False, cwd="", machine="", ras="", silence_s=silence_s,
    )  # fmt: skip


def hello(rank: int) -> Hello:
    """As a supervisor of this host says it."""
    return Hello(rank, pid=1, supervisor=2, address="127.0.0.1", **identity(), **clocks())


def until_lost(line: Line) -> tuple[str, float]:
    """What it says, and after how many seconds."""
    begun = time.monotonic()
    with pytest.raises(LostError) as lost:
        while time.monotonic() - begun < CONNECT_S:
            line.receive(50)
    line.close()
    return str(lost.value), time.monotonic() - begun


def test_a_watchdog_that_died_before_the_first_word() -> None:
    """Nobody listens any more: no rank is kept alive for a minute over it."""
    with Head(1) as head:
        text, seconds = until_lost(Line(plan(f"tcp://127.0.0.1:{free_port()}", head)))
    assert "no watchdog answers" in text
    assert seconds < CONNECT_S / 2


def test_a_host_that_refuses_for_another() -> None:
    """On the loopback a few refusals are enough; elsewhere a firewall may refuse while its rules come up."""
    with Head(1) as head:
        here = plan("tcp://127.0.0.1:9", head)
        lines = [Line(here), Line(replace(here, endpoint="tcp://192.0.2.1:9"))]
        assert [line._refused for line in lines] == [REFUSED_HERE, REFUSED]
        for line in lines:
            line.close()


def test_a_watchdog_that_is_silent() -> None:
    """One that was heard, and says nothing any more, is lost when the limit of silence is over, not before."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head, silence_s=1.5))
        line.send(hello(0))
        until = time.monotonic() + 20
        while not head.known and time.monotonic() < until:
            list(head.receive(50))
        head.send(0, WatchdogBeat())
        while not line.receive(50):
            assert time.monotonic() < until
        text, seconds = until_lost(line)
    assert "silent" in text
    assert seconds > 1.4


def test_what_is_queued_for_nobody_keeps_nobody() -> None:
    """A supervisor that never found its watchdog ends at once, whatever it had to say."""
    with Head(1) as head:
        nowhere = f"tcp://127.0.0.1:{free_port()}"
        line = Line(plan(nowhere, head))
        line._socket.linger = 600_000
        line.send(hello(0))
        begun = time.monotonic()
        line.drop()
        assert time.monotonic() - begun < 300


def test_a_full_queue_does_not_keep_it_from_noticing() -> None:
    """A supervisor that has much to say to a watchdog that does not read ends all the same."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head, silence_s=1.0))
        line.send(hello(0))
        begun = time.monotonic()
        with pytest.raises(LostError):
            while time.monotonic() - begun < CONNECT_S:
                line.send(Output(bytes(1 << 16)))
        line.close()
        assert time.monotonic() - begun < CONNECT_S / 2


def test_what_is_too_long_is_left_out_with_a_word() -> None:
    """A dump longer than any message may be costs neither the supervisor nor what comes after it."""
    with Head(1) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        line.send(Dump("nccl-ras.json", bytes(MESSAGE_BYTES + 1)))
        line.send(Output(b"later"))
        found: list[FromSupervisor] = []
        until = time.monotonic() + 60
        while Output(b"later") not in found and time.monotonic() < until:
            found += [message for _, message in head.receive(50)]
            line.receive(0)
        line.close()
    assert found[1:] == [LeftOut("Dump nccl-ras.json of 64 MiB was left out: no message may be so long"), Output(b"later")]
