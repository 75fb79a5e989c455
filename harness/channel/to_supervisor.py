"""Each message that the watchdog may send to a supervisor: its fields, and when it is sent.

docs/protocol.md tells the same to people. Standard library only: a supervisor imports this once its engine has been started.
"""

from __future__ import annotations

from lockstep.harness.channel.message_base import Count, Numbers, Proc, ToSupervisor, message


@message
class WatchdogBeat(ToSupervisor):
    """Every second, less often where there are thousands."""


@message
class Call(ToSupervisor):
    """Before a verdict, and before a rank is let abort: is everybody there?"""

    number: Count


@message
class ReadClock(ToSupervisor):
    """At the hello, and again for hosts with another clock."""

    asked_ns: Count


@message
class Confirm(ToSupervisor):
    """There is a knot: does everybody still stand where it stood?"""

    epoch: Count
    procs: Numbers = ()  # of a program: which of its processes
    around: bool = False  # ... and what all others below it sleep in


@message
class Acknowledge(ToSupervisor):
    """A rank that is about to abort may go on."""

    number: Count  # of its event
    proc: Proc = -1


@message
class TakeDumps(ToSupervisor):
    """After a verdict on a program that hangs: processes are asked for their Flight Recorders."""


@message
class TakeStacks(ToSupervisor):
    """After a verdict on a hang, or, with a number, while the case goes on: then nobody is stopped for it."""

    number: Count = 0


@message
class Release(ToSupervisor):
    """After a success: a parked engine may end."""


@message
class End(ToSupervisor):
    """End all that was started, and say bye."""

    keep: bool  # another launch will begin with what this one leaves


@message
class Look(ToSupervisor):
    """To one supervisor of each other host, when all there have said bye: end what is left, and tell of it."""

    spared: Numbers  # process ids that are not left over
    ours: Numbers  # process ids that may have held a GPU


@message
class Leave(ToSupervisor):
    """All have said bye, or will not."""
