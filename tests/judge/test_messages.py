"""Messages between two ranks: what does not match parts them as a collective does; a send that nobody completes is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.history import Entry, History, Message
from lockstep.harness.judge.matching import first_mismatch
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.trace.state import CommInfo
from lockstep.harness.vocabulary import Cause
from tests.judge.test_verdicts import Script, Stopped, blame_of, judged


def hand_over(script: Script, shape: str) -> None:
    """Hidden states from the first of two pipeline stages to the second."""
    recorder = script.recorder
    recorder.shape(shape)
    if script.rank == 0:
        with recorder.send(script.tp, 1, synchronous=True, what="hidden"):
            pass
    else:
        with recorder.recv(script.tp, 0, what="hidden"):
            pass


def test_a_message_that_is_not_taken_parts_two_ranks() -> None:
    """The stage that skipped a shape is blamed for its choice, though no collective was missed."""

    def program(script: Script) -> None:
        with script.recorder.phase("warm_up"):
            for number in (1, 2, 3):
                skips = script.rank == 1 and number == 2
                script.recorder.decision("request", f"shape={number}", "left-out" if skips else "run", deviates=skips)
                if skips:
                    continue
                if script.rank == 0 and number == 3:
                    script.recorder.send(script.tp, 1, synchronous=True, what="hidden")
                    raise Stopped
                hand_over(script, f"shape={number}")
        script.block(script.world, "barrier")

    blame = blame_of(judged(2, program))
    assert (blame.by, blame.ranks, blame.site, blame.shape, blame.choice) == (
        "decision",
        (1,),
        "request",
        "shape=2",
        "left-out",
    )


def test_a_choice_after_the_last_matching_message_is_blamed() -> None:
    """Of two differences the one after the last message that matched counts."""

    def program(script: Script) -> None:
        for number in (1, 2):
            script.recorder.decision("request", f"shape={number}", f"rank {script.rank}")
            if number == 1:
                hand_over(script, "shape=1")
        if script.rank == 0:
            script.recorder.send(script.tp, 1, synchronous=True, what="hidden")
            raise Stopped
        script.block(script.world, "barrier")

    assert blame_of(judged(2, program)).shape == "shape=2"


def test_a_send_that_nobody_completes_is_named() -> None:
    """All ranks are in a wait that may end, and none does: a stall, whose blame says which send is under way."""

    def program(script: Script) -> None:
        if script.rank == 0:
            script.recorder.post_send(script.world, 1, what="requests")
            script.recorder.send(script.tp, 1, synchronous=True, what="hidden")
            raise Stopped
        script.recorder.recv(script.world, 0, what="requests")
        raise Stopped

    verdict = judged(2, program, Limit.DEADLINE)
    assert (verdict.cause, verdict.proved) == (Cause.STALL, False)
    blame = blame_of(verdict)
    assert (blame.ranks, blame.by) == ((0,), "message")
    assert blame.text.startswith("Rank 0 began world send requests without waiting for it, and is now in send hidden; ")
    assert blame.text.endswith("rank 1 waits for the rest of it")


WHATS = st.lists(st.sampled_from(["requests", "hidden"]), max_size=6)


@given(WHATS, WHATS)
def test_first_unmatched_message(sent: list[str], received: list[str]) -> None:
    """The place is that of the first message whose counterpart is missing or another one, and equal lists have none."""
    scripts = Script(0, 2), Script(1, 2)
    for what in sent:
        with scripts[0].recorder.send(scripts[0].tp, 1, what=what):
            pass
    for what in received:
        with scripts[1].recorder.recv(scripts[1].tp, 0, what=what):
            pass
    histories = []
    for rank, script in enumerate(scripts):
        delta = script.ring.read()
        histories.append(History.read(rank, delta.records, delta.strings))
        script.ring.close()
    place = first_mismatch(*histories)
    both = min(len(sent), len(received))
    number = next((n for n in range(both) if sent[n] != received[n]), both)
    if sent == received:
        assert place is None
        return
    assert place is not None
    for at, history in zip(place, histories, strict=True):
        messages = history.messages
        assert at == messages[number].at if number < len(messages) else at > max((m.at for m in messages), default=0)


def test_only_what_both_belong_to_is_compared() -> None:
    """A communicator of others, of which one of the two tells, is no difference; nor is a collective that is named twice."""
    world, others = CommInfo("mpi:w", "mpi", "w", (0, 1)), CommInfo("mpi:o", "mpi", "o", (1, 2))

    def history(rank: int, *entries: tuple[str, int]) -> History:
        listed = [Entry(at, comm, seq, "barrier", "", "", -1) for at, (comm, seq) in enumerate(entries)]
        comms = {info.key: info for info in (world, others) if rank in info.members}
        return History(rank, comms=comms, entries=listed)

    both = [("mpi:w", 1), ("mpi:w", 2)]
    assert first_mismatch(history(0, *both), history(1, ("mpi:o", 1), *both)) is None
    assert first_mismatch(history(1, ("mpi:o", 1), *both), history(0, *both)) is None
    assert first_mismatch(history(0, both[0], *both), history(1, *both)) is None  # begun, and then waited for
    assert first_mismatch(history(0, *both), history(1, both[0])) == (1, 1)
    unmade = history(1)
    unmade.comms = {}
    assert first_mismatch(history(0, *both), unmade) == (0, 1)  # it has never made it


def two(sent: list[tuple[int, int, int]], received: list[tuple[int, int, int]]) -> tuple[History, History]:
    """Ranks 0 and 1 that begin messages to and from each other: place, peer and tag."""

    def messages(sends: bool, listed: list[tuple[int, int, int]]) -> list[Message]:
        return [Message(at, "mpi:w", sends, peer, tag, 1, "", False, "", "") for at, peer, tag in listed]

    return History(0, messages=messages(True, sent)), History(1, messages=messages(False, received))


def test_an_open_receive_leaves_nothing_to_compare() -> None:
    """Whether it leaves its peer or its tag open: which message it has taken is not known."""
    assert first_mismatch(*two([(3, 1, 7)], [(4, 0, 8)])) == (3, 4)
    assert first_mismatch(*two([(3, 1, 0)], [(4, 0, 0)])) is None
    for peer, tag in ((-1, 8), (0, -1)):
        assert first_mismatch(*two([(3, 1, 7)], [(4, peer, tag)])) is None


def test_messages_after_a_gap_are_not_compared() -> None:
    """The gap's own place comes after it too: that is of the first event before which some are missing."""
    sender, receiver = two([(2, 1, 7), (5, 1, 7)], [(2, 0, 7)])
    assert first_mismatch(sender, receiver) == (5, 3)
    sender.gap = 6
    assert first_mismatch(sender, receiver) == (5, 3)
    sender.gap = 5
    assert first_mismatch(sender, receiver) is None


@pytest.mark.parametrize(
    ("sizes", "same"), [((8, 8), True), ((8, 4), False), ((0, 8), False), ((-1, 8), True), ((8, -1), True)]
)
def test_sizes_of_a_collective(sizes: tuple[int, int], same: bool) -> None:
    """They must be the same where both are known; none is a size too."""
    info = CommInfo("mpi:w", "mpi", "w", (0, 1))
    one, other = (
        History(rank, comms={info.key: info}, entries=[Entry(1, info.key, 1, "allreduce", "", "", size)])
        for rank, size in enumerate(sizes)
    )
    assert (first_mismatch(one, other) is None) is same
