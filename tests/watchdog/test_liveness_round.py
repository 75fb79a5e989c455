"""The roll call as a state machine, against simulated supervisors that answer late, die, or tell news. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.watchdog.presence.liveness_round import LivenessRound, Step

KIND = "all have ended"


@dataclass
class World:
    """Supervisors on one thread of time. Each answers a call when it is up; messages of one come in order."""

    size: int
    alive: list[bool] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    news: int = 0  # messages that change what is judged
    deaths: list[int] = field(default_factory=list)  # the moment of each death, as a number of news

    def __post_init__(self) -> None:
        self.alive, self.stopped = [True] * self.size, [False] * self.size
        self.answered = [0] * self.size


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["tick", "die", "stop", "go", "news"]), st.integers(0, 3)), max_size=60),
)
def test_no_verdict_rests_on_what_came_after_a_death(size: int, steps: list[tuple[str, int]]) -> None:
    """What is given was judged before anybody died, and after everybody was heard; who was stopped is waited for."""
    world, roll = World(size), LivenessRound()
    judged_at: int | None = None
    for what, number in steps:
        who = number % size
        if what == "die":
            if world.alive[who]:
                world.alive[who] = False
                world.deaths.append(world.news)
                world.news += 1  # its peers raise over it, and tell
        elif what in ("stop", "go"):
            world.stopped[who] = what == "stop"
        elif what == "news":
            world.news += 1
        for one in range(size):
            if world.alive[one] and not world.stopped[one]:
                world.answered[one] = roll.number
        present = all(answered >= roll.number for answered in world.answered)
        step = roll.step(KIND, world.news, present)
        if step is Step.BEGIN:
            judged_at = world.news
        elif step is Step.COMMIT:
            assert judged_at is not None
            assert all(judged_at <= death for death in world.deaths)
            assert present


def test_two_rounds_at_most() -> None:
    """News that never ends does not keep a verdict back for ever: what is given is what was judged after the first round."""
    roll = LivenessRound()
    assert [roll.step(KIND, news, present=True) for news in range(4)] == [Step.BEGIN, Step.BEGIN, Step.COMMIT, Step.BEGIN]


def test_without_news_one_round_is_enough() -> None:
    """The normal case costs one question."""
    roll = LivenessRound()
    assert [roll.step(KIND, 7, present) for present in (True, False, True)] == [Step.BEGIN, Step.WAIT, Step.COMMIT]


def test_another_kind_of_verdict_is_asked_for_anew() -> None:
    """A deadline that was reached says nothing about a knot that is proved meanwhile."""
    roll = LivenessRound()
    assert roll.step("deadline", 1, present=True) is Step.BEGIN
    assert roll.step("knot", 1, present=True) is Step.BEGIN
    assert roll.step("knot", 1, present=True) is Step.COMMIT


def test_what_does_not_hold_any_more_is_forgotten() -> None:
    """A verdict that was held back is not given later for another reason."""
    roll = LivenessRound()
    roll.step(KIND, 1, present=True)
    roll.dismiss()
    assert not roll.open
    assert roll.step(KIND, 1, present=True) is Step.BEGIN
