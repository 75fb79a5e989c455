"""Each message that a supervisor may send to the watchdog: its fields, and when it is sent.

docs/protocol.md tells the same to people. Standard library only: a supervisor imports this once its engine has been started.
Over the size we keep: it is a list, and whoever looks a message up wants all of them in one place.
"""

from __future__ import annotations

from lockstep.harness.channel.identity import LIBRARIES
from lockstep.harness.channel.message_base import (
    Code,
    Count,
    Leaks,
    Name,
    Names,
    Numbers,
    Proc,
    Rank,
    Text,
    Texts,
    ToWatchdog,
    Versions,
    Words,
    is_file_name,
    message,
)
from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD

DUMPS = ("flight-recorder-", "nccl-")  # how names of dumps begin
OUTPUT, STREAMS = "output", ("stdout", "stderr")  # of an engine both in one; of a command each


# --- from every supervisor ------------------------------------------------------------------------------------------------


@message
class Hello(ToWatchdog):
    """First of all, once, when its engine or command has been started. Who it is, and where."""

    rank: Rank
    pid: Count  # of what it has started
    supervisor: Count  # its own process
    host: Name
    machine: Name  # tells its host from others
    clock: Name  # tells its clock from others
    versions: Versions
    code: Name  # a fingerprint of Lockstep's source there
    root: Name
    address: Name  # of its host, towards the watchdog
    monotonic_ns: Count
    wall_ns: Count

    def fits(self) -> bool:
        """Exactly the versions that are compared, and a host's name that can be that of a folder."""
        return self.versions.keys() == {"python", *LIBRARIES} and is_file_name(self.host)


@message
class SupervisorBeat(ToWatchdog):
    """When it has said nothing for a while."""


@message
class Starved(ToWatchdog):
    """Its engine has wanted a processor and got none, for longer than when it last said so: it counts for no deadline."""

    waited_ns: Count  # since the engine's start; of its first thread


@message
class Here(ToWatchdog):
    """The answer to `Call`, after all that happened until it came."""

    number: Count


@message
class ClockRead(ToWatchdog):
    """The answer to `ReadClock`."""

    asked_ns: Count  # as in the question
    theirs_ns: Count  # the clock of its host


@message
class SharedMemory(ToWatchdog):
    """Files of shared memory that its processes map and had not mapped before: they stay when those are killed."""

    paths: Names


@message
class Dump(ToWatchdog):
    """Before the stacks: what another tool knows of a hang."""

    name: Name  # of a file
    data: bytes

    def fits(self) -> bool:
        """A name of ours, so that it stands in the place of no other file of the case."""
        return is_file_name(self.name) and self.name.startswith(DUMPS)


@message
class LeftOut(ToWatchdog):
    """In the place of a message that is longer than any may be: what it was, and how long."""

    text: Text


@message
class StateFile(ToWatchdog):
    """Before `Bye`, where ranks on other hosts have left files for the next launch: one of them, as evidence."""

    path: Name
    data: bytes

    def fits(self) -> bool:
        """A path that does not lead out of the folder where it was left."""
        return all(map(is_file_name, self.path.split("/")))


@message
class Bye(ToWatchdog):
    """It has ended all that it had started; it stays until it is told to leave."""


@message
class LauncherLost(ToWatchdog):
    """The launcher's daemon that had started it on its host is gone. What ranks do from then on may be of that."""

    name: Name  # of the daemon


@message
class LeftOnHost(ToWatchdog):
    """The answer to `Look`: what of the case was still on its host."""

    leaks: Leaks


@message
class Log(ToWatchdog):
    """Lines of its log, where it cannot write into the case's folder itself (LOCKSTEP_LOG)."""

    text: Text


# --- of an engine, or of a process of a program ---------------------------------------------------------------------------


@message
class Delta(ToWatchdog):
    """What is new in the ring of an engine or of a process."""

    records: bytes
    strings: Texts
    lost: Count  # records overwritten before they were read
    entered: Numbers  # after a loss: by communicator id, the highest collective entered; else empty
    threads: Count
    breadcrumbs: Words
    seen_ns: Count  # when the breadcrumbs were last read before
    proc: Proc = -1
    tables: bytes = b""  # after a loss: the native recorder's, as they were at one moment

    def fits(self) -> bool:
        """Whole records; the table of collectives where records were lost; known communicators."""
        return (
            not len(self.records) % RECORD.size
            and len(self.entered) == (layout.COMMS if self.lost else 0)
            and all(0 <= comm < layout.COMMS and word >= 0 for comm, word in self.breadcrumbs.items())
        )


@message
class Output(ToWatchdog):
    """What a rank, or a command and all below it, has printed."""

    data: bytes
    stream: Name = OUTPUT

    def fits(self) -> bool:
        """Its stream is part of a file's name."""
        return self.stream in (OUTPUT, *STREAMS)


@message
class Ended(ToWatchdog):
    """The engine, or the command, has ended; after all that it had written."""

    code: int
    oom: bool  # the kernel killed it for want of memory
    seen_ns: Count = 0  # when, by its host's clock
    peak_bytes: Count | None = None  # of host memory


@message
class Confirmed(ToWatchdog):
    """The answer to `Confirm` of an engine's supervisor, which has read the ring again before."""

    epoch: Count
    alive: bool


@message
class Stacks(ToWatchdog):
    """The answer to `TakeStacks`: of the engine, or of each Python process below a command."""

    text: Text
    error: Text  # why there are none; empty: there are
    pid: Count = 0
    proc: Proc = -1
    number: Count = 0  # as in the question


# --- of a program only ----------------------------------------------------------------------------------------------------


@message
class Came(ToWatchdog):
    """A process has handed over its ring."""

    proc: Count
    pid: Count
    argv: Texts
    above: Numbers = ()  # the processes of the command that stand above it, its parent first


@message
class Gone(ToWatchdog):
    """... and has ended; after all that it had written."""

    proc: Count
    code: Code
    oom: bool
    seen_ns: Count


@message
class Processes(ToWatchdog):
    """The processes below the command are others than before."""

    alive: Numbers  # process ids
    unseen: Texts  # sentences on those that may communicate without a recorder
    heirs: Numbers = ()  # of those that live, who was left behind by a process that has ended, and has sockets open
    overseers: Numbers = ()  # ... who has started processes with recorders, and may act by itself


@message
class Idle(ToWatchdog):
    """Those of the processes below the command that have hardly computed for some seconds are others than before."""

    pids: Numbers


@message
class LeftBehind(ToWatchdog):
    """Before `Ended` with status 0: what the command had left behind and was still there."""

    processes: Texts  # each with its command line


@message
class Scanned(ToWatchdog):
    """At once after `Confirm`: it has looked for processes again."""

    epoch: Count


@message
class Stands(ToWatchdog):
    """A process has answered `Confirm` itself."""

    proc: Count
    epoch: Count
    number: Count  # of its last event
    others: Texts  # its threads that are in no known wait
    hidden: Texts  # what C++ has issued since (JSON: communicator's id, how many, operation, line)
    issued: Count = 0  # operations of all groups so far, by their library's own count
    held: Texts = ()  # its threads that sleep until somebody acts who holds the other end of a thing (JSON)
    wakers: Texts = ()  # what may wake it beside
    nccl_hears: bool = False  # its NCCL is told when a peer ends, and may have it ended


@message
class Around(ToWatchdog):
    """After `Scanned`, where `Confirm` asked for it: what the processes that it did not name sleep in (JSON of each)."""

    epoch: Count
    processes: Texts


@message
class LockHeld(ToWatchdog):
    """A process did not answer `Confirm`, since one of its threads holds Python's lock."""

    proc: Count
    epoch: Count
    owner: Count  # the kernel's id of that thread; 0: none is seen to
    others: Texts  # what could go on once it lets go of the lock
    waiting: Numbers = ()  # by the kernel's ids: those that want the lock, which it keeps as long as its wait lasts


@message
class FlightRecord(ToWatchdog):
    """The answer of one process to `TakeDumps`: PyTorch's Flight Recorder."""

    proc: Count
    text: Text  # JSON; empty: it has none


@message
class StacksDone(ToWatchdog):
    """The last of the answers to `TakeStacks`."""

    number: Count = 0  # as in the question
