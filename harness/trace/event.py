"""The event: one fixed-size record that a rank writes before and after anything that can block.

A record is 64 bytes. `number` stands last and is written last, so that a reader in another process that finds the
number it expects also finds the rest of the record.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple


class Kind(enum.IntEnum):
    """What a record says. The columns of `Record` mean something else for each kind."""

    COMM = 1  # a communicator exists: comm = its id, a = string (JSON: kind, name, members, instance)
    ENTER = 2  # a blocking operation begins: comm, seq, a = op string, b = need, c = peer or root, tag, size
    EXIT = 3  # ... and has ended: comm, seq, a = op string
    POST = 4  # a non-blocking operation was started: columns as ENTER
    PHASE = 5  # the rank is now in phase a (string)
    SHAPE = 6  # the rank now works on shape a (string)
    DECISION = 7  # a = site, b = key, c = choice, size = detail (strings); seq = 1: the choice leaves the common path
    MILESTONE = 8  # progress that counts: a = string
    RAISED = 9  # the rank's program ended with an exception: a = type, b = message, c = traceback (strings);
    # seq = 1: its device is lost too, what was handed to its streams will never run
    RETURNED = 10  # the rank's program ended by itself
    ABORT = 11  # the rank is about to end the job (MPI_Abort): a = code
    WAITER = 12  # a thread that may communicate exists: a = string (its name), size = its id in the kernel
    WAITER_END = 13  # ... and is gone
    PARKED = 15  # the rank has raised or returned and stays alive, sockets open, until it is released
    RESULT = 14  # a = string (JSON): what the rank found out, for example its tokens
    LAUNCH = 16  # collectives are handed to a device stream: comm, seq = number of the last, a = op string, size;
    # c > 0: a replayed graph's share of this communicator, c of them, a = its manifest string
    MANIFEST = 17  # a graph was captured: a = string (JSON: name, its collectives in order)
    ENVIRONMENT = 18  # a = string (JSON): what the rank runs on; later ones add to it
    ERROR = 19  # the rank's program failed, and is not yet done with it (it may still end the job): columns as RAISED
    UNABLE = 21  # the engine cannot run this scenario, and stops: a = string (why)
    # Of processes that the recorder attached itself to:
    JOIN = 22  # a = string (JSON: scope, rank, world, firm): the process has a rank in a world of ranks
    OPAQUE = 23  # a = string: it communicates, or may, in a way that writes no events
    LEAVING = 24  # its last exit handler has run: nothing of the program is left but the interpreter's own end
    STATUS = 25  # its program ends with exit status a, which is not 0, and without an exception
    TOOK = (
        26  # a receive has taken a message: comm, c = from, tag; b: see Took; it had asked for: site = peer + 1, size = tag.
    )
    # An EXIT with b > 0 says the same of the receive that has ended.
    CANCEL = 27  # a receive is being taken back: comm, c = peer, tag; b = 0: it was not, after all
    PART = (
        28  # one operation of a wait for several, which the thread's next ENTER (size = how many) begins: columns as ENTER
    )
    LEFT = (
        29  # the program ended in order and left this behind: a request that nobody waited for (columns as POST), or, with
    )
    # seq = 0, the communicator comm, which was never freed; site: where it was made
    LIMIT = 30  # the library ends the wait that the thread's next ENTER (TIMED) begins after size seconds


class Need(enum.IntEnum):
    """Whom a blocked operation needs before it can end. What may end early is never counted as a wait.

    MPI lets a root leave a broadcast, and a non-root leave a gather, before anybody else has come; a proof must not
    assume more than the operation guarantees.
    """

    ALL = 0  # every member: barrier, all-reduce, all-gather, all-to-all, reduce-scatter
    ROOT = 1  # the root only: a non-root in broadcast or scatter
    NOBODY = 2  # may end alone: the root of a broadcast, a non-root of a gather, a buffered send
    RECV = 3  # one peer's matching send; peer -1: any member's
    SSEND = 4  # one peer's matching receive (a send that surely waits)
    STREAM = 5  # the rank's own device streams: a host in `synchronize`
    TIMED = 6  # every member, the root or a message; or its library ends it at a deadline, with an error
    COME = 7  # every member, as ALL; but a process that is not there yet may still be started and come
    BELOW = 8  # the members below in the communicator's order: a prefix reduction
    PROBE = 9  # one peer's message, as RECV, which stays where it is
    EITHER = 10  # one of the parts: it ends when any of them does
    EVERY = 11  # each of the parts: it ends when all of them do
    HOLDERS = 12  # anybody who holds the other end of a thing (a pipe, a queue, a store, a lock), which c (string) names


class Took(enum.IntEnum):
    """What kind of receive has taken a message."""

    NAMED = 1  # it named peer and tag
    WILD = 2  # it left one of them open
    PROBED = 3  # a probe took the message out, no receive was begun


class Record(NamedTuple):
    """One event as read back from a ring."""

    time_ns: int  # CLOCK_MONOTONIC of the rank's host
    kind: int
    thread: int  # waiter id within the rank; 0 is the main thread
    comm: int  # communicator id within the rank
    seq: int  # number of the operation on that communicator, from 1; point-to-point: with that peer and tag
    a: int
    b: int
    c: int
    tag: int  # point-to-point tag; -1: any
    size: int  # elements, -1 where sizes may rightly differ; see Kind for other uses
    site: int  # line of the program that called the operation (string), 0 where it is not known
    data: int  # what an ENTER or a POST hands over: datatype, and reduction (string), 0 where it is not known
    number: int  # 1, 2, 3 ... without gap


# time kind thread comm seq a b c tag size site data number
RECORD = struct.Struct("<QHHIQIIiiqIIQ")
assert RECORD.size == 64, "readers and writers of every version rely on 64-byte records"
