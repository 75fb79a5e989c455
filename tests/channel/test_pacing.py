"""The pace of a watchdog, and the clock by which others are silent. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.channel.pacing import (
    LAPSE_S,
    MOST_GATHER_S,
    Listening,
    Share,
    beat_s,
    crowding,
    gather_s,
    rest_s,
    round_s,
)
from lockstep.harness.judge.program_rules import NOTICED_NS

ROUNDS = st.lists(st.tuples(st.floats(0.001, 100.0), st.booleans()), max_size=50)


@given(ROUNDS)
def test_the_clock_goes_only_while_the_watchdog_listens(rounds: list[tuple[float, bool]]) -> None:
    """It never goes faster than time, stands while there is more to read, and takes no long absence for listening."""
    listening, now = Listening(), 0.0
    listening.round(now, True)
    for passed, drained in rounds:
        before, now = listening.listened_s, now + passed
        listening.round(now, drained)
        went = listening.listened_s - before
        assert went == 0.0 if not drained else 0.0 < went <= min(passed, LAPSE_S) + 1e-9
        assert listening.drained == drained


def test_who_is_behind_says_for_how_long() -> None:
    """The time since all was read grows with every round that leaves something, and ends with one that leaves nothing."""
    listening = Listening()
    listening.round(0.0, True)
    for number in range(1, 11):
        listening.round(number * 0.05, False)
    assert 0.49 < listening.behind_s < 0.51
    listening.round(0.55, True)
    assert listening.behind_s == 0.0


def test_judging_takes_a_share_of_the_time() -> None:
    """After something costly as much time passes as it took, and four times as much where there is much to read."""
    share = Share()
    assert share.due(10.0, True)
    share.took(10.0, 10.4)
    assert not share.due(10.7, False)
    assert share.due(10.81, False)
    assert not share.due(11.9, True)
    assert share.due(12.01, True)


def test_few_are_served_as_ever_and_many_can_be() -> None:
    """Up to some hundred supervisors nothing is slower; with ten thousand everybody still finds a reader."""
    assert (beat_s(64, 30.0), round_s(64), crowding(16, 2)) == (1.0, 0.0, 1.0)
    assert gather_s(64) < 0.01
    assert beat_s(10_000, 30.0) <= 10.0
    assert gather_s(10_000) <= 1.0
    assert beat_s(100_000, 3.0) <= 1.0
    assert crowding(256, 2) == 16.0


@given(st.floats(0.0, 1.0))
def test_ranks_that_communicate_without_a_pause_keep_their_cores(spent_s: float) -> None:
    """A supervisor takes a fiftieth of a core for telling what they do, or looks twenty times a second."""
    rest = rest_s(spent_s)
    assert rest <= 0.05
    assert rest == 0.05 or spent_s <= 0.021 * (spent_s + rest)
    later = rest_s(spent_s, 50)  # there was news fifty times
    assert later == 0.05 or spent_s <= 0.0041 * (spent_s + later)


def test_a_death_is_told_before_its_peers_are_blamed_for_it() -> None:
    """Of ranks that communicate without a pause a supervisor sees an end within half of what is given to one seen late."""
    assert 2 * MOST_GATHER_S * 1e9 <= NOTICED_NS
