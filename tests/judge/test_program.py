"""Which of several failures of a program is the cause. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.clock import Time
from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.history import History
from lockstep.harness.judge.program_rules import ProgramRules
from lockstep.harness.judge.snapshot import CaseSnapshot, Collected, Failure, Limit, Process
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.judge.words import BOTH
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import CommInfo, RankState, Status, Wait
from lockstep.harness.vocabulary import Cause, Outcome

S = 1_000_000_000


def judged(
    *ranks: tuple[str, float, int | None],
    above: tuple[tuple[int, ...], ...] = (),
    roots: tuple[int, ...] = (0,),
    failures: tuple[Failure, ...] = (),
    limit: Limit | None = None,
    unseen: tuple[str, ...] = (),
    printed: str = "",
) -> Verdict:
    """The verdict on ranks that raised an error of that name, returned (""), died ("dead"): when, and with what status; or
    that still wait for them all ("waits").
    """
    states: dict[int, RankState] = {}
    histories: dict[int, History] = {}
    processes: dict[int, Process] = {}
    for rank, (what, at_s, code) in enumerate(ranks):
        state, history = RankState(rank, gone=True), History(rank)
        state.status = {"": Status.RETURNED, "dead": Status.DEAD}.get(what, Status.RAISED)
        if what == "waits":
            state.status, state.gone = Status.RUNNING, False
            state.waiters[0] = Wait("gloo:world", 1, "barrier", Need.TIMED, -1, 0, 0, "", "")
        if state.status is Status.RAISED:
            history.error = (what, "text", "")
            history.failed_ns = history.ended_ns = int(at_s * S)
        history.comms = {"gloo:world": CommInfo("gloo:world", "gloo", "world", tuple(range(len(ranks))))}
        states[rank], histories[rank] = state, history
        processes[rank] = Process("host", 10 + rank, code, round(at_s * 1e9), above=above[rank] if above else ())
    return decide(
        CaseSnapshot(
            states,
            histories,
            processes,
            {"gloo:world": ("gloo", "world")},
            [],
            limit,
            False,
            None,
            1.0,
            1,
            0,
            ProgramRules(),
            roots=roots,
            failures=failures,
            unseen=unseen,
            collected=Collected(command=printed),
        )
    )


FAILED = (Failure(77, ("RuntimeError", "a worker did not answer", ""), Time(1 * S)),)


@pytest.mark.parametrize(
    ("ranks", "outcome", "cause", "blame"),
    [
        ([("", 1, 0), ("", 1, 0)], Outcome.SUCCESS, Cause.NONE, ()),
        ([("", 1, 0), ("dead", 1, -15)], Outcome.SUCCESS, Cause.NONE, ()),
        ([("ValueError", 1, 1), ("ConnectionError", 1.2, 1)], Outcome.RAISE, Cause.SOME_RANKS, (0,)),
        ([("ConnectionError", 1.2, 1), ("ValueError", 1, 1)], Outcome.RAISE, Cause.SOME_RANKS, (1,)),
        ([("ValueError", 1, 1), ("ValueError", 1.2, 1)], Outcome.RAISE, Cause.ALL_RANKS, (0, 1)),
        ([("ValueError", 1, 1), ("dead", 1.05, -15)], Outcome.RAISE, Cause.SOME_RANKS, (0,)),
        ([("ValueError", 1, 1), ("dead", 40, -9)], Outcome.RAISE, Cause.SOME_RANKS, (0,)),
        ([("ConnectionError", 1, 1), ("dead", 1.05, -9)], Outcome.CRASH, Cause.SIGNAL, (1,)),
        ([("dead", 1, 3), ("dead", 2, -15)], Outcome.CRASH, Cause.ABORT, (0,)),
        ([("dead", 1, -15), ("dead", 1, -15)], Outcome.CRASH, Cause.SIGNAL, (0,)),
    ],
)
def test_first_failure(
    ranks: list[tuple[str, float, int | None]], outcome: Outcome, cause: Cause, blame: tuple[int, ...]
) -> None:
    """What came first is the cause: peers raise over a closed socket, and who watches them ends them, first with SIGTERM."""
    verdict = judged(*ranks, roots=(0 if outcome is Outcome.SUCCESS else 1,))
    assert (verdict.outcome, verdict.cause) == (outcome, cause), verdict.text
    assert (verdict.blame.ranks if verdict.blame else ()) == blame


@pytest.mark.parametrize(
    ("ranks", "blame"),
    [
        ([("ConnectionError", 1.2, 1), ("dead", 1, -9)], (1,)),
        ([("ConnectionError", 1, 1), ("dead", 1.05, -9)], (1,)),  # a death is seen a little later
        ([("ValueError", 1, 1), ("dead", 2, -6)], (0,)),
        ([("ConnectionError", 2, 1), ("ValueError", 1, 1)], (1,)),
        ([("dead", 2, -9), ("dead", 1, -9)], (1,)),
    ],
)
@pytest.mark.parametrize("limit", [Limit.LOST, Limit.DEADLINE])
def test_first_failure_of_those_that_are_waited_for(
    ranks: list[tuple[str, float, int | None]], blame: tuple[int, ...], limit: Limit
) -> None:
    """The same where a rank is left that waits: who raised over a death is not to blame for it."""
    verdict = judged(*ranks, ("waits", 0, None), roots=(), limit=limit)
    assert verdict.outcome is Outcome.HANG
    assert verdict.cause is (Cause.ORPHANED if limit is Limit.LOST else Cause.STALL)
    assert verdict.blame is not None
    assert verdict.blame.ranks == blame, verdict.text


@pytest.mark.parametrize(("code", "told"), [(1, True), (0, False)])
def test_processes_of_one_number_are_told_first(code: int, told: bool) -> None:
    """Two jobs in one store: whatever comes of it, that is why; where nothing does, it is not worth a word."""
    unseen = f"processes 7 and 8 {BOTH} rank 1 of torch 29500 0"
    verdict = judged(("ValueError" if code else "", 1, code), ("", 1, 0), roots=(code,), unseen=(unseen,))
    assert verdict.text.startswith(f"Processes 7 and 8 {BOTH} rank 1 of torch 29500 0. Rank 0 raised") is told, verdict.text


def test_who_started_the_ranks_failed() -> None:
    """When a process that is no rank raised and the ranks were then ended, its error is the cause, unless a rank failed."""
    verdict = judged(("dead", 2, -15), ("dead", 2, -15), roots=(1,), failures=FAILED)
    assert verdict.outcome is Outcome.RAISE
    assert "Process 77, which is no rank, raised RuntimeError: a worker did not answer. It ended ranks 0-1." in verdict.text
    assert judged(("ValueError", 1, 1), ("dead", 2, -15), failures=FAILED).text.startswith("Rank 0 raised ValueError")


@pytest.mark.parametrize(
    ("above", "ended_s", "code", "outcome"),
    [
        ((12, 10), 2, 0, Outcome.SUCCESS),
        ((12, 10), 2, 1, Outcome.RAISE),
        ((12, 10), 0.5, 0, Outcome.RAISE),
        ((12,), 2, 0, Outcome.RAISE),
    ],
)
def test_a_helper_with_a_world_of_its_own(above: tuple[int, ...], ended_s: float, code: int, outcome: Outcome) -> None:
    """One that a rank has started, and that fails, is nothing where that rank goes on and the command is content."""
    verdict = judged(("", ended_s, 0), ("", 3, 0), ("ValueError", 1, 1), roots=(code,), above=((), (), above))
    assert verdict.outcome is outcome, verdict.text
    assert ("rank 2, which rank 0 had started, failed, and it went on" in verdict.text) is (outcome is Outcome.SUCCESS)


def test_ranks_that_outlive_a_failure_make_a_success() -> None:
    """A helper that raised, or the first round of torchrun, is nothing where all ranks came to their end after it and the
    command was content; a launcher that raises in the end has failed.
    """
    assert judged(("", 2, 0), ("", 3, 0), failures=FAILED).outcome is Outcome.SUCCESS
    assert judged(("", 2, 0), ("", 3, 0), roots=(1,), failures=FAILED).outcome is Outcome.RAISE
    assert judged(("", 0.5, 0), ("", 0.7, 0), failures=FAILED).outcome is Outcome.RAISE


def test_a_command_that_fails_without_ranks() -> None:
    """Without a rank there is only the command's exit status."""
    assert judged(roots=(0,)).outcome is Outcome.SUCCESS
    assert judged(("", 1, 0)).text == "The one rank ended in order."
    assert judged(("dead", 1, 0), ("", 1, 0)).cause is Cause.ABORT  # without a word, and nobody expects a status of 0
    assert judged(("dead", 1, 1), ("", 1, 0)).outcome is Outcome.SUCCESS
    assert judged(("", 1, 0), ("", 1, 0)).text == "All 2 ranks ended in order."
    verdict = judged(roots=(-11,))
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.SIGNAL)
    assert "SIGSEGV" in verdict.text
    last = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    import b\nModuleNotFoundError: No b\n'
    )
    assert judged(roots=(0, 1), printed=last).text == (
        'The command ended: exit status 1; the last that it printed: "File "a.py", line 1, in <module> / import b / '
        'ModuleNotFoundError: No b". No rank of it failed.'
    )
