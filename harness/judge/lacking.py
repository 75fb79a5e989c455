"""What a wait still needs before it can end: the members, or holders, that have not done their part yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import Wait

UNKNOWN = 1 << 64  # above every collective's number
Holders = Mapping[str, Collection[int]]  # end of a thing -> who holds it: ranks, and processes by numbers of their own


def lacking(
    rank: int,
    wait: Wait,
    states: Mapping[int, RankState],
    members: Mapping[str, Sequence[int]],
    holders: Holders | None = None,
) -> tuple[int, ...]:
    """The members that a wait still needs; of messages and things, those of whom any could end it. Empty: it may end now.

    An end whose holders are not known may be let go by anybody; one that is known to have none is let go by nobody.
    """
    if wait.need is Need.HOLDERS:
        held = (holders or {}).get(wait.end)
        return () if held is None else tuple(sorted(m for m in held if m != rank)) or (rank,)
    if wait.need is Need.STREAM:
        return (rank,)
    if wait.parts:
        return tuple({peer: None for part in wait.parts for peer in lacking(rank, part, states, members, holders)})
    group = members[wait.comm]
    match wait.need:
        case Need.ALL | Need.COME:
            return tuple(m for m in group if m != rank and entered(states, m, wait.comm) < wait.seq)
        case Need.BELOW:
            below = group[: group.index(rank)] if rank in group else ()
            return tuple(m for m in below if entered(states, m, wait.comm) < wait.seq)
        case Need.ROOT:
            return (wait.peer,) if entered(states, wait.peer, wait.comm) < wait.seq else ()
        case Need.RECV | Need.PROBE:
            senders = group if wait.peer < 0 else (wait.peer,)
            ends = wait.need is Need.RECV and _taken_back(states[rank], wait)
            ends = ends or any(_may_have_sent(states, m, rank, wait) for m in senders)
            return () if ends else asked(rank, wait, members)
        case Need.SSEND:
            return () if _may_receive(states, rank, wait) else asked(rank, wait, members)
    return ()


def asked(rank: int, wait: Wait, members: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Who could end a wait for a message or a receive. A rank can send to itself, but not while it waits."""
    if wait.peer >= 0:
        return (wait.peer,)
    return tuple(m for m in members.get(wait.comm, ()) if m != rank) or (rank,)


def entered(states: Mapping[int, RankState], rank: int, comm: str) -> int:
    """The number of the last collective that a rank has entered; one that is not known counts as high: nobody lacks it."""
    state = states.get(rank)
    if state is None:
        return 0
    # Events were lost: the announcement of the communicator may be among them, and with it how far the rank has come.
    return state.entered.get(comm, UNKNOWN if state.blind else 0)


def _may_have_sent(states: Mapping[int, RankState], peer: int, rank: int, wait: Wait) -> bool:
    """Whether a message of `peer` may exist that this wait could end with.

    Messages of one tag are taken in the order of their sending, by receives that name peer and tag in the order of theirs. A
    receive that leaves one of them open is known to have taken a message only when it has ended.
    """
    state, mine = states.get(peer), states[rank]
    if state is None or state.blind or mine.blind:
        return True
    if wait.need is Need.RECV and wait.peer >= 0 and wait.tag >= 0:
        key = (wait.comm, wait.peer, wait.tag)
        before = mine.taken.wild.get(key, 0) - mine.taken.cancelled.get(key, 0)
        return state.sent.get((wait.comm, rank, wait.tag), 0) >= wait.seq + before
    return any(
        sent > mine.taken.all.get((comm, peer, tag), 0)
        for (comm, to, tag), sent in state.sent.items()
        if comm == wait.comm and to == rank and wait.tag in (-1, tag)
    )


def _taken_back(mine: RankState, wait: Wait) -> bool:
    """Whether the receive that is waited for may have been taken back: then the wait ends without a message."""
    if not mine.taken.cancelled.get((wait.comm, wait.peer, wait.tag)):
        return False
    asked = (wait.peer, wait.tag, wait.seq)
    return not mine.order.known(wait.comm, "recv") or mine.order.doubted(wait.comm, asked)


def _may_receive(states: Mapping[int, RankState], rank: int, wait: Wait) -> bool:
    """Whether the peer may have begun the receive that this synchronous send needs; one that was taken back counts too."""
    state = states.get(wait.peer)
    if state is None or state.blind:
        return True
    key = (wait.comm, rank, wait.tag)
    if state.received.get(key, 0) + state.taken.wild.get(key, 0) >= wait.seq:
        return True
    return any(
        begun > state.taken.open.get((comm, source, tag), 0)
        for (comm, source, tag), begun in state.received.items()
        if comm == wait.comm and min(source, tag) < 0 and source in (-1, rank) and tag in (-1, wait.tag)
    )
