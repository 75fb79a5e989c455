"""What is different in judging a program that knows nothing of us. Pure.

Nothing is held back there, so that one failure brings others with it: the first of them is the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lockstep.harness.judge import clock, words
from lockstep.harness.judge.picture import Picture
from lockstep.harness.judge.verdict import Blame, RankEnd, cause_of_status
from lockstep.harness.trace.state import Status
from lockstep.harness.vocabulary import Cause, Outcome

SIGTERM = -15
NOTICED_NS = 100_000_000  # a death is seen a little later than by the peers that raise over it


def classify(picture: Picture) -> tuple[Outcome, Cause]:
    """Outcome and cause of a program that has come to its end."""
    states = picture.states
    aborted = any(state.status is Status.ABORTED for state in states.values())
    raised = [rank for rank, state in states.items() if state.status is Status.RAISED]
    dead = [rank for rank, state in states.items() if state.status is Status.DEAD]
    # Who watches processes ends the others with SIGTERM when one has failed.
    by_themselves = [rank for rank in dead if picture.processes[rank].exit_code != SIGTERM]
    first_dead = _first_ended(picture, by_themselves)
    if aborted:
        return Outcome.CRASH, Cause.ABORT
    if raised:
        first = clock.first({rank: picture.histories[rank].failed for rank in raised})[0]
        if first_dead is None or picture.histories[first].failed.before(picture.ended(first_dead), NOTICED_NS):
            every = all(rank in raised and same_error(picture, rank, first) for rank in states)
            return Outcome.RAISE, Cause.ALL_RANKS if every else Cause.SOME_RANKS
    if first_dead is None and picture.failures:
        return Outcome.RAISE, Cause.SOME_RANKS  # who started the ranks failed, and ended them
    if first_dead is None and dead and not any(picture.roots):
        return Outcome.SUCCESS, Cause.NONE  # who started them ended them, and was content
    if first_dead is None and dead:
        first_dead = _first_ended(picture, dead)
    if first_dead is not None:
        process = picture.processes[first_dead]
        return Outcome.CRASH, Cause.OOM_KILL if process.oom_killed else cause_of_status(process.exit_code)
    bad = [code for code in picture.roots if code]
    return (Outcome.CRASH, cause_of_status(bad[0])) if bad else (Outcome.SUCCESS, Cause.NONE)


def same_error(picture: Picture, one: int, other: int) -> bool:
    """Whether two ranks raised the same."""
    mine, yours = picture.histories[one].error, picture.histories[other].error
    return mine is not None and yours is not None and mine[:2] == yours[:2]


def causes(picture: Picture, blame: Blame | None, ends: Iterable[RankEnd]) -> list[RankEnd]:
    """The ranks whose errors belong to a signature: of a program, those that are to blame and not what followed."""
    return [end for end in ends if not picture.attached or (blame is not None and end.rank in blame.ranks)]


def verdict_text(picture: Picture, outcome: Outcome, cause: Cause, blame: Blame | None, ends: Sequence[RankEnd]) -> str:
    """The verdict on a program in a sentence, where it says something else than that on an engine; else empty."""
    if not picture.attached or picture.knot:
        return ""
    ended = [end.rank for end in ends if end.status == "dead"]
    if outcome is Outcome.SUCCESS:
        if not ends:
            return "The command ended in order. No process of it joined a communicator, so there was nothing to watch."
        if ended:
            return f"The command ended in order; it ended {words.ranks_text(ended)} itself."
        return f"All {len(ends)} ranks ended in order." if len(ends) > 1 else "The one rank ended in order."
    if outcome is Outcome.RAISE and picture.failures and (blame is None or blame.by != "raised"):
        first = picture.failures[0]
        what = f"{first.error[0]}: {words.brief(first.error[1])}"
        return f"Process {first.pid}, which is no rank, raised {what}." + (
            f" It ended {words.ranks_text(ended)}." if ended else ""
        )
    if outcome is Outcome.RAISE and blame is not None:
        after = [end.rank for end in ends if end.status in ("raised", "dead") and end.rank not in blame.ranks]
        return f"{blame.text}." + (f" {_then(after)}" if after else "")
    if outcome is Outcome.SLOW:
        return "The deadline was reached while ranks still went on."
    if outcome is Outcome.CRASH and blame is None:
        code = next(code for code in picture.roots if code)
        return f"The command ended: {words.death_words(code)}. No rank of it failed."
    if cause is Cause.STALL:
        return f"Nothing advances, and nothing proves a deadlock. {blame.text if blame else _waits(picture)}."
    return ""


def _then(ranks: Sequence[int]) -> str:
    who = words.ranks_text(ranks)
    return f"{who[0].upper()}{who[1:]} failed after it."


def _waits(picture: Picture) -> str:
    if not picture.states:
        return "No process joined a communicator"
    return "Every rank is in a wait that may still end"


def _first_ended(picture: Picture, ranks: Iterable[int]) -> int | None:
    return next(iter(clock.first({rank: picture.ended(rank) for rank in ranks})), None)
