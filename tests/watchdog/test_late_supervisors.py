"""A supervisor that comes when the others have been called: a verdict, or a rank that aborts, waits for its answer too."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from lockstep.harness.channel.identity import clocks, identity
from lockstep.harness.channel.message_base import ToSupervisor
from lockstep.harness.channel.to_supervisor import Acknowledge, Call
from lockstep.harness.channel.to_watchdog import Hello, Here
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.watchdog.presence.abort_gate import AbortGate
from lockstep.harness.watchdog.presence.membership import Membership


@dataclass
class Line:
    """In place of the watchdog's end of the channel: it keeps what is sent, and to whom."""

    membership: Membership
    sent: list[tuple[int, ToSupervisor]] = field(default_factory=list)
    listening: Any = field(default_factory=lambda: SimpleNamespace(listened_s=0.0))

    def send(self, number: int, message: ToSupervisor) -> None:
        """To one."""
        self.sent.append((number, message))

    def send_all(self, message: ToSupervisor) -> None:
        """To all that have come."""
        self.sent += [(number, message) for number, _ in self.membership.registry]

    def calls(self, number: int) -> list[int]:
        """The numbers of its calls."""
        return [message.number for to, message in self.sent if to == number and isinstance(message, Call)]


def hello(rank: int) -> Hello:
    """A supervisor's first message."""
    return Hello(rank, pid=1, supervisor=2, address="127.0.0.1", **identity(), **clocks())


def test_a_supervisor_that_comes_after_a_call() -> None:
    """It is called as it comes, and the rank that aborts is let go when it has answered."""
    membership = Membership(RankMap.on_this_host(2), identity())
    line = Line(membership)
    head = cast(Any, line)
    gate = AbortGate(membership.registry, membership.liveness_round)
    membership.take(head, 1, hello(1))
    gate.note(1, 5, event=9)
    gate.let(head)
    (call,) = line.calls(1)
    membership.take(head, 1, Here(call))
    gate.let(head)
    assert not gate.known
    membership.take(head, 0, hello(0))
    assert line.calls(0) == [call]
    gate.let(head)
    assert not gate.known
    membership.take(head, 0, Here(call))
    gate.let(head)
    assert gate.known
    assert (1, Acknowledge(9, 5)) in line.sent


def test_a_supervisor_that_comes_before_any_call_is_not_called() -> None:
    """There is nothing to answer yet."""
    membership = Membership(RankMap.on_this_host(2), identity())
    line = Line(membership)
    membership.take(cast(Any, line), 0, hello(0))
    assert not line.calls(0)
