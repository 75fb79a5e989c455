"""In which order a rank began its messages: what is kept of it, and when nothing is known any more. Pure."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.trace.order import ANY, MOST_RECEIVES, MOST_RUNS, Order, Receive, Sends

COMM = "mpi:world"
ENDS = st.tuples(st.sampled_from((ANY, 1, 2)), st.sampled_from((ANY, 7, 8)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((7, 8, 9)), st.integers(1, 3)), max_size=3 * MOST_RUNS))
def test_sends_that_are_forgotten_are_counted(runs: list[tuple[int, int]]) -> None:
    """The last changes of the tag are kept in order; of those before them, how many each tag had."""
    sends = Sends()
    tags = [tag for tag, count in runs for _ in range(count)]
    for tag in tags:
        sends.add(tag)
    every = [[tag, len(list(group))] for tag, group in groupby(tags)]
    assert list(sends.runs) == every[-MOST_RUNS:]
    forgotten: Counter[int] = Counter()
    for tag, count in every[:-MOST_RUNS]:
        forgotten[tag] += count
    assert sends.before == forgotten


@settings(max_examples=200, deadline=None)
@given(ENDS, ENDS)
def test_receives_that_could_take_one_message_meet(mine: tuple[int, int], other: tuple[int, int]) -> None:
    """Two of them meet where some message matches both."""
    messages = [(sender, tag) for sender in (1, 2) for tag in (7, 8)]
    first, second = Receive(*mine, 1), Receive(*other, 2)
    assert first.meets(*other) == any(first.matches(*message) and second.matches(*message) for message in messages)


def test_as_many_receives_are_kept_as_fit() -> None:
    """With one more that is open their order is unknown, of that communicator alone; sends keep theirs."""
    order = Order()
    for number in range(1, MOST_RECEIVES + 1):
        order.receive(COMM, 1, 7, number, 0)
    order.receive("mpi:other", 1, 7, 1, 0)
    assert order.known(COMM, "recv")
    assert len(order.receives[COMM]) == MOST_RECEIVES
    order.receive(COMM, 1, 7, MOST_RECEIVES + 1, 0)
    assert not order.known(COMM, "recv")
    assert order.known(COMM, "send")
    assert order.known("mpi:other", "recv")
    assert COMM not in order.receives
    order.took(COMM, (1, 7, 1), (1, 7))
    order.receive(COMM, 1, 7, 400, 0)
    order.probed(COMM, 1, 7, (1, 7), 0)
    assert COMM not in order.receives


def test_what_has_ended_is_kept_while_an_earlier_one_could_have_had_its_message() -> None:
    """Then it is counted; what asks for a message that no earlier one could take is counted at once."""
    order = Order()
    order.receive(COMM, ANY, 7, 1, 0)
    order.receive(COMM, 1, 7, 1, 0)
    order.receive(COMM, 1, 8, 1, 0)
    order.took(COMM, (1, 8, 1), (1, 8))
    assert order.gone == {(COMM, 1, 8): 1}
    order.took(COMM, (1, 7, 1), (1, 7))
    assert [one.took for one in order.receives[COMM]] == [None, (1, 7)]
    order.probed(COMM, 1, 8, (1, 8), 0)
    assert order.gone == {(COMM, 1, 8): 2}
    order.took(COMM, (ANY, 7, 1), (2, 7))
    assert order.receives[COMM] == []
    assert order.gone == {(COMM, 1, 8): 2, (COMM, 2, 7): 1, (COMM, 1, 7): 1}


def test_an_end_that_nobody_began_makes_the_order_unknown() -> None:
    """By peer, tag and number it is told which receive has ended."""
    for asked in ((1, 7, 2), (1, 8, 1), (2, 7, 1)):
        order = Order()
        order.receive(COMM, 1, 7, 1, 0)
        order.took(COMM, asked, (1, 7))
        assert not order.known(COMM, "recv")


def test_what_was_taken_back_is_doubted_until_it_ends() -> None:
    """That receive alone; an answer that it was not taken back after all, or a message, ends the doubt."""
    order = Order()
    for number in (1, 2):
        order.receive(COMM, 1, 7, number, 0)
    order.cancel(COMM, (1, 7, 2), True)
    assert [order.doubted(COMM, (1, 7, number)) for number in (1, 2)] == [False, True]
    assert not order.doubted("mpi:other", (1, 7, 2))
    order.cancel(COMM, (1, 7, 2), False)
    assert not order.doubted(COMM, (1, 7, 2))
    order.cancel(COMM, (1, 7, 2), True)
    order.took(COMM, (1, 7, 2), (1, 7))
    assert not order.doubted(COMM, (1, 7, 2))


def test_two_threads_have_no_order() -> None:
    """Of what both of them begin, sends or receives, on one communicator; lost events end all of it."""
    order = Order()
    order.send(COMM, 1, 7, thread=0)
    order.receive(COMM, 1, 7, 1, thread=1)
    order.send(COMM, 2, 7, thread=0)
    assert order.known(COMM, "send")
    assert order.known(COMM, "recv")
    order.send(COMM, 1, 7, thread=1)
    assert not order.known(COMM, "send")
    assert order.known(COMM, "recv")
    order.probed(COMM, 1, 7, (1, 7), thread=0)
    assert not order.known(COMM, "recv")
    order.lost = True
    assert not order.known("mpi:other", "send")
