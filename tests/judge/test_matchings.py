"""Which message may go to which receive, case by case. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.matchings import may_be_received, may_receive_all
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.order import ANY, MOST_RUNS
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import Wait

COMM = "mpi:world"
MEMBERS = (0, 1, 2)


def wait(peer: int, tag: int, seq: int = 1, need: Need = Need.RECV) -> Wait:
    """For a message, or of a synchronous send."""
    return Wait(COMM, seq, "any", need, peer, tag, 0, "", "")


def ranks(sends: list[tuple[int, int]], receives: list[tuple[int, int, int]]) -> dict[int, RankState]:
    """Ranks that have begun to send to rank 0 (sender, tag), which has begun receives (peer, tag, number), all in order."""
    found = {rank: RankState(rank, number=1) for rank in MEMBERS}
    for sender, tag in sends:
        found[sender].order.send(COMM, 0, tag, 0)
    for peer, tag, seq in receives:
        found[0].order.receive(COMM, peer, tag, seq, 0)
    return found


def ends(found: dict[int, RankState], *waits: Wait, moves: tuple[int, ...] = ()) -> bool:
    """Whether these waits of rank 0 may end together."""
    return may_receive_all(0, waits, found, MEMBERS, moves)


@pytest.mark.parametrize(
    ("sends", "receives", "waits", "may_end"),
    [
        ([], [(1, 7, 1)], [wait(1, 7)], False),
        ([(1, 7)], [(1, 7, 1)], [wait(1, 7)], True),
        ([(1, 8)], [(1, 7, 1)], [wait(1, 7)], False),
        ([(1, 7)], [(1, 7, 1), (1, 7, 2)], [wait(1, 7), wait(1, 7, 2)], False),  # two receives need two messages
        ([(1, 7)] * 2, [(1, 7, 1), (1, 7, 2)], [wait(1, 7), wait(1, 7, 2)], True),
        ([(1, 7)], [(ANY, 7, 1), (1, 7, 1)], [wait(1, 7)], False),  # the one before it takes it
        ([(1, 7)], [(ANY, 8, 1), (1, 7, 1)], [wait(1, 7)], True),
        ([(1, 7), (2, 7)], [(ANY, 7, 1), (1, 7, 1)], [wait(1, 7)], True),  # ... or that of another sender
        ([(1, 7)], [(1, ANY, 1), (ANY, 7, 1)], [wait(ANY, 7)], False),
        ([(1, 7), (1, 7)], [(1, ANY, 1), (ANY, 7, 1)], [wait(ANY, 7)], True),
        ([(1, 8), (1, 7)], [(1, ANY, 1), (1, 8, 1)], [wait(1, 8)], False),  # in the order of their sending
        ([(1, 7), (1, 8)], [(1, ANY, 1), (1, 8, 1)], [wait(1, 8)], True),
        ([(1, 7)], [], [wait(1, 7, need=Need.PROBE)], True),
        ([(1, 8)], [], [wait(1, 7, need=Need.PROBE)], False),
        ([(1, 7)], [(1, 7, 1)], [wait(1, 7, need=Need.PROBE)], False),  # nothing is left to it
        ([(1, 7)] * 2, [(1, 7, 1)], [wait(1, 7, need=Need.PROBE)], True),
        ([(1, 7)], [(1, 7, 1)], [wait(1, 7), wait(1, 7, need=Need.PROBE)], False),
        ([(1, 7), (2, 7)], [(1, 7, 1)], [wait(1, 7), wait(2, ANY, need=Need.PROBE)], True),
    ],
)
def test_which_receives_may_end(
    sends: list[tuple[int, int]], receives: list[tuple[int, int, int]], waits: list[Wait], may_end: bool
) -> None:
    """Each message goes to the first receive that matches it; a probe sees what all of them leave."""
    assert ends(ranks(sends, receives), *waits) is may_end


def test_who_moves_may_send_anything() -> None:
    """So a wait for it may end, unless an earlier receive takes all that may come."""
    assert ends(ranks([], [(1, 7, 1)]), wait(1, 7), moves=(1,))
    assert not ends(ranks([], [(1, 7, 1)]), wait(1, 7), moves=(2,))
    assert ends(ranks([], [(ANY, 7, 1)]), wait(ANY, 7), moves=(2,))
    assert ends(ranks([], []), wait(1, 7, need=Need.PROBE), moves=(1,))
    assert not ends(ranks([], []), wait(1, 7, need=Need.PROBE), moves=(2,))
    assert ends(ranks([], []), wait(ANY, 7, need=Need.PROBE), moves=(2,))


def test_what_nobody_knows_may_come() -> None:
    """A receiver without a known order, a sender whose events were lost, a receive that is not kept: it may end."""
    receives = [(1, 7, 1)]
    threads = ranks([], receives)
    threads[0].order.unknown.add((COMM, "recv"))
    assert ends(threads, wait(1, 7))
    for rank in (0, 1):
        blind = ranks([], receives)
        blind[rank].blind = True
        assert ends(blind, wait(1, 7))
        lost = ranks([], receives)
        lost[rank].order.lost = True
        assert ends(lost, wait(1, 7))
    assert ends(ranks([], receives), wait(1, 7, seq=2))
    unheard = ranks([], receives)
    del unheard[1]
    assert ends(unheard, wait(1, 7), moves=(1,))
    doubted = ranks([], receives)
    doubted[0].order.cancel(COMM, (1, 7, 1), True)
    assert ends(doubted, wait(1, 7))


def test_messages_of_which_only_the_number_is_kept() -> None:
    """The order of a sender's tags is kept for a while: where it matters and is forgotten, anything may come; else numbers
    are enough.
    """
    many = [(1, tag) for _ in range(MOST_RUNS) for tag in (7, 8)]
    assert ends(ranks(many, [(1, ANY, 1)]), wait(1, ANY))
    assert ends(ranks(many, [(1, ANY, 1), (1, 9, 1)]), wait(1, 9))  # no 9 was sent, but who knows
    assert not ends(ranks(many, [(1, 9, 1)]), wait(1, 9))
    assert ends(ranks(many, [(1, 8, 1)]), wait(1, 8))
    taken = ranks(many, [(1, tag, number) for number in range(1, MOST_RUNS + 1) for tag in (7, 8)])
    for number in range(1, MOST_RUNS + 1):
        for tag in (7, 8):
            taken[0].order.took(COMM, (1, tag, number), (1, tag))
    taken[0].order.receive(COMM, 1, ANY, 1, 0)
    assert not ends(taken, wait(1, ANY))  # all that is forgotten was taken
    taken[1].order.send(COMM, 0, 9, 0)
    assert ends(taken, wait(1, ANY))


@pytest.mark.parametrize(
    ("sends", "receives", "seq", "may_end"),
    [
        ([(1, 7)], [], 1, False),
        ([(1, 7)], [(1, 7, 1)], 1, True),
        ([(1, 7)], [(1, 8, 1)], 1, False),
        ([(1, 7)] * 3, [(1, 7, 1)], 3, False),  # of three messages the first
        ([(1, 7)] * 2, [(1, 7, 1), (ANY, 7, 1)], 2, True),
        ([(1, 7)], [(ANY, ANY, 1)], 1, True),
        ([(2, 7), (1, 7)], [(ANY, 7, 1)], 1, True),  # whose comes first is not known
        ([(2, 7), (1, 7)], [(2, 7, 1)], 1, False),
        ([(1, 8), (1, 7)], [(1, ANY, 1)], 1, False),
    ],
)
def test_which_synchronous_send_may_end(
    sends: list[tuple[int, int]], receives: list[tuple[int, int, int]], seq: int, may_end: bool
) -> None:
    """The number `seq` of rank 1 and tag 7 ends where a receive may take it."""
    send = wait(0, 7, seq, Need.SSEND)
    found = ranks(sends, receives)
    assert may_be_received(1, send, found, MEMBERS, ()) is may_end
    assert may_be_received(1, send, found, MEMBERS, (0,))  # its receiver goes on
    assert may_be_received(1, send, {1: found[1]}, MEMBERS, ())
    found[0].order.gone[COMM, 1, 7] = seq  # it was taken
    assert may_be_received(1, send, found, MEMBERS, ())
    found[0].order.gone[COMM, 1, 7] = 0
    found[0].order.lost = True
    assert may_be_received(1, send, found, MEMBERS, ())
