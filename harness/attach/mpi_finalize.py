"""MPI_Finalize: the last thing that a rank does in MPI, called by the program or by mpi4py when the interpreter has ended.

It has a communicator of its own: an operation that a peer has skipped must not count as met by that peer's Finalize.
"""

from __future__ import annotations

import os
from typing import Any

from lockstep.harness.attach import ending, recording
from lockstep.harness.attach.calls import Issued, Waiting
from lockstep.harness.attach.mpi_comms import scope
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.communicator import WORLDS_END
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

# MPI promises that all take part, not that they wait for each other. These were seen to, among ranks of one host: nobody
# came out before the last had called it (two to four ranks, with and without communication before, with split worlds).
SYNCHRONIZING = (("MPICH", (5, 0, 2)), ("Open MPI", (5, 0, 11)))
FINALIZE = "finalize"
HERE = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")  # how many ranks of the world are on this host

_meeting: Comm | None = None  # in which a rank comes to its last operation; None: it may be let out before its peers come
_come = False


def announce(module: Any, world: Comm) -> None:
    """There is a world. What is written at the end may not fail then, since its peers would seem to wait for this rank."""
    global _meeting
    if _meeting is None and _synchronizes(module, len(world.members)):
        recorder = recording.current().recorder
        _meeting = recorder.comm("mpi", WORLDS_END, world.members, scope=scope())
        recorder.string(FINALIZE)


def wrap(module: Any) -> None:
    """Replace mpi4py.MPI's Finalize."""
    recording.after_fork.append(_forget)

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        issued = _come_to_it(module)
        return None if issued is None else Waiting(recording.current(), issued)

    module.Finalize = recorded(module.Finalize, prepare)
    ending.last_calls.append(lambda: _come_to_it(module))


def _come_to_it(module: Any) -> Issued | None:
    global _come
    if _meeting is None or _come or not module.Is_initialized() or module.Is_finalized():
        return None
    _come = True
    found = recording.current()
    return found.collective(_meeting, FINALIZE, -1, Need.ALL, -1, call_site(found.recorder))


def _synchronizes(module: Any, ranks: int) -> bool:
    here = next((os.environ[name] for name in HERE if name in os.environ), "")
    return here == str(ranks) and module.get_vendor() in SYNCHRONIZING


def _forget() -> None:
    """In a forked child: MPI is its parent's."""
    global _meeting
    _meeting = None
