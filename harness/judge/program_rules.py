"""How a program that knows nothing of us is judged. Pure.

Nothing is held back there, so that one failure brings others with it: the first of them is the cause.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence

from lockstep.harness.judge import clock, pairing, program_blame, words
from lockstep.harness.judge.apart import apart
from lockstep.harness.judge.early_leaver import early_leaver, failed_over_socket, first_raised
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import Entry
from lockstep.harness.judge.limits import limit_s
from lockstep.harness.judge.snapshot import CaseSnapshot, Failure, Limit
from lockstep.harness.judge.standing import left_text, standing_text
from lockstep.harness.judge.verdict import Blame, RankEnd, WaitLine, cause_of_status
from lockstep.harness.trace.state import Status
from lockstep.harness.vocabulary import Cause, Outcome

SIGTERM = -15
NOTICED_NS = 100_000_000  # a death is seen a little later than by the peers that raise over it
NOTICED_LATE_NS = 5_000_000_000  # ... and much later where processors are few: peers need not wait for a supervisor's turn
_OF_A_GROUP = re.compile(r"gloo|c10d|torch/distributed|/torch/csrc/", re.IGNORECASE)  # whose sockets the error is about


class ProgramRules:
    """The rules for ranks to which the recorder attached itself."""

    decisions_logged = False

    def classify(self, case: CaseSnapshot) -> tuple[Outcome, Cause]:
        """The first failure in time is the cause of the others."""
        return _classify(case)

    def token(self, entry: Entry) -> Hashable:
        """The operation, or one that it pairs with, and the root."""
        return pairing.token(entry)

    def blame(self, case: CaseSnapshot, outcome: Outcome, cause: Cause) -> Blame | None:
        """By the order in which ranks of one program come to its lines."""
        if case.limit is Limit.UNBUFFERED:
            return program_blame.unreceived_blame(case)
        if cause in (Cause.MISMATCH, Cause.DEADLOCK):
            return program_blame.hang_blame(case, cause is Cause.MISMATCH)
        if cause is Cause.ORPHANED:
            return apart(case) or _elsewhere(case)
        if cause is Cause.STALL:
            return program_blame.stall_blame(case)
        return early_leaver(case) if outcome is Outcome.RAISE else None

    def overdue(self, case: CaseSnapshot) -> tuple[Outcome, Cause]:
        """A program of which no rank is left has come to its end, whatever still waits for them."""
        if case.states and not any(state.status is Status.RUNNING for state in case.states.values()):
            outcome, cause = _classify(case)
            return (Outcome.HANG, Cause.STALL) if outcome is Outcome.SUCCESS else (outcome, cause)
        return (Outcome.SLOW, Cause.NONE) if case.advancing else (Outcome.HANG, Cause.STALL)

    def first_waits(self, case: CaseSnapshot, waits: Sequence[Stuck]) -> Sequence[Stuck]:
        """All: ranks of a program that was not made for this part anywhere, and of two that wait for each other neither
        came first.
        """
        return waits

    def first_failures(self, case: CaseSnapshot, ranks: Sequence[int]) -> Sequence[int]:
        """Without those that raised after another one had died, or died after another one had raised."""
        raised = [rank for rank in ranks if case.states[rank].status is Status.RAISED]
        dead = _first_ended(case, (rank for rank in ranks if case.states[rank].status is Status.DEAD))
        if not raised or dead is None:
            return ranks
        first = clock.first({rank: case.histories[rank].failed for rank in raised})[0]
        later = Status.DEAD if _before_death(case, first, dead) else Status.RAISED
        return [rank for rank in ranks if case.states[rank].status is not later]

    def with_same_error(self, case: CaseSnapshot, ranks: Sequence[int], first: int) -> Sequence[int]:
        """Those that raised the same: another error is what came of the first."""
        return [rank for rank in ranks if _same_error(case, rank, first)]

    def signature_ends(self, blame: Blame | None, ends: Sequence[RankEnd]) -> Sequence[RankEnd]:
        """Those that are to blame, and not what followed."""
        return [end for end in ends if blame is not None and end.rank in blame.ranks]

    def verdict_text(
        self,
        case: CaseSnapshot,
        outcome: Outcome,
        cause: Cause,
        knot: Sequence[WaitLine],
        blame: Blame | None,
        ends: Sequence[RankEnd],
    ) -> str:
        """The words of an engine, where a program has none of its own."""
        own = _verdict_text(case, outcome, cause, blame, ends)
        return _contested(case, outcome) + (own or words.verdict_text(outcome, cause, knot, blame, ends))


def _elsewhere(case: CaseSnapshot) -> Blame | None:
    """Where ranks have returned in order that others wait for: one that waits, and never came to what those had entered."""
    found = program_blame.hang_blame(case, False)
    if found is None or not all(rank in case.states and _missed(case, rank) for rank in found.ranks):
        return None
    ended = [state for state in case.states.values() if state.status is not Status.RUNNING]
    return found if all(state.status is Status.RETURNED for state in ended) else None


def _missed(case: CaseSnapshot, rank: int) -> bool:
    """Whether a rank goes on, and has entered less of one of its groups than one that has returned."""
    mine = case.states[rank]
    returned = [state for state in case.states.values() if state.status is Status.RETURNED]
    groups = [comm for comm, members in case.members.items() if rank in members]
    less = any(state.entered.get(comm, 0) > mine.entered.get(comm, 0) for state in returned for comm in groups)
    return mine.status is Status.RUNNING and less


def _contested(case: CaseSnapshot, outcome: Outcome) -> str:
    """That several processes have one number, which comes before all that went wrong then; empty: they do not."""
    found = [text for text in case.unseen if words.BOTH in text] if outcome is not Outcome.SUCCESS else []
    text = "; ".join(found)
    return f"{text[:1].upper()}{text[1:]}. " if text else ""


def _classify(case: CaseSnapshot) -> tuple[Outcome, Cause]:
    """Outcome and cause of a program that has come to its end."""
    content = bool(case.roots) and all(code == 0 for code in case.roots)
    states = {rank: state for rank, state in case.states.items() if not (content and helper_of(case, rank) is not None)}
    aborted = any(state.status is Status.ABORTED for state in states.values())
    raised = [rank for rank, state in states.items() if state.status is Status.RAISED]
    dead = [rank for rank, state in states.items() if state.status is Status.DEAD]
    # Who watches processes ends the others with SIGTERM when one has failed, and may expect their exit statuses.
    by_themselves = [rank for rank in dead if not _by_others(case.processes[rank].exit_code, content)]
    first_dead = _first_ended(case, by_themselves)
    if aborted:
        return Outcome.CRASH, Cause.ABORT
    if raised:
        first = clock.first({rank: case.histories[rank].failed for rank in raised})[0]
        if first_dead is None or _before_death(case, first, first_dead):
            every = all(rank in raised and _same_error(case, rank, first) for rank in states)
            return Outcome.RAISE, Cause.ALL_RANKS if every else Cause.SOME_RANKS
    if first_dead is None and any(not content or not _outlived(case, failure) for failure in case.failures):
        return Outcome.RAISE, Cause.SOME_RANKS  # who started the ranks failed, and ended them
    if first_dead is None and dead and not any(case.roots):
        return Outcome.SUCCESS, Cause.NONE  # who started them ended them, and was content
    if first_dead is None and dead:
        first_dead = _first_ended(case, dead)
    if first_dead is not None:
        process = case.processes[first_dead]
        return Outcome.CRASH, Cause.OOM_KILL if process.oom_killed else cause_of_status(process.exit_code)
    bad = [code for code in case.roots if code]
    return (Outcome.CRASH, cause_of_status(bad[0])) if bad else (Outcome.SUCCESS, Cause.NONE)


def helper_of(case: CaseSnapshot, rank: int) -> int | None:
    """The rank below which one was started that failed, and that came to its end in order after it."""
    if case.states[rank].status not in (Status.RAISED, Status.DEAD):
        return None
    here = case.processes[rank]
    above = [one for one, process in case.processes.items() if process.host == here.host and process.pid in here.above]
    failed = case.failed_or_ended(rank).ours_ns
    ended = (one for one in above if case.states[one].status is Status.RETURNED and case.ended(one).ours_ns > failed)
    return next(ended, None)


def _outlived(case: CaseSnapshot, failure: Failure) -> bool:
    """Whether all ranks came to their end after a process that is no rank had failed: one started anew since, a helper."""
    ends = [case.ended(rank) for rank, state in case.states.items() if state.status is Status.RETURNED]
    return len(ends) == len(case.states) > 0 and max(end.ours_ns for end in ends) > failure.time.ours_ns


def _before_death(case: CaseSnapshot, raised: int, dead: int) -> bool:
    """Whether a rank raised before another died, so that its error is no answer to the death.

    Who ends the job because of its error (`python -m mpi4py`) has everybody killed at once; where supervisors are killed as
    well, nobody has seen when.
    """
    failed, died = case.histories[raised].failed, case.ended(dead)
    if case.states[raised].aborting:
        return not died.ns or failed.before(died)
    return failed.before(died, NOTICED_LATE_NS if _answers(case, raised, dead) else NOTICED_NS)


def _answers(case: CaseSnapshot, raised: int, dead: int) -> bool:
    """Whether an error can be nothing but the answer to a death: a socket to a member on this host was closed, which the
    kernel does when a process ends, and no other member has left in order. Between hosts a network may have failed.
    """
    among = any(dead in comm.members for comm in case.histories[raised].comms.values())
    here = case.processes[raised].host == case.processes[dead].host
    told = case.histories[raised].error or ()
    groups = any(_OF_A_GROUP.search(text) for text in told[1:])  # a program has other sockets as well
    return among and here and groups and failed_over_socket(case, raised) and early_leaver(case) is None


def _by_others(code: int | None, content: bool) -> bool:
    """Whether an end is no failure, or that of another one. `content`: the commands have all ended with status 0."""
    return code == SIGTERM or (content and code is not None and code > 0)


def _same_error(case: CaseSnapshot, one: int, other: int) -> bool:
    """Whether two ranks raised the same."""
    mine, yours = case.histories[one].error, case.histories[other].error
    return mine is not None and yours is not None and mine[:2] == yours[:2]


def _verdict_text(case: CaseSnapshot, outcome: Outcome, cause: Cause, blame: Blame | None, ends: Sequence[RankEnd]) -> str:
    """The verdict in a sentence, where it says something else than that on an engine; else empty."""
    why = f"{blame.text}. " if blame else ""
    if outcome is Outcome.HANG:
        return _hang_text(case, cause, why)
    ended = [end.rank for end in ends if end.status == "dead"]
    if outcome is Outcome.SUCCESS:
        if not ends:
            return "The command ended in order. No process of it joined a communicator, so there was nothing to watch."
        if helpers := [(end.rank, one) for end in ends if (one := helper_of(case, end.rank)) is not None]:
            went_on = "; ".join(
                f"rank {rank}, which rank {one} had started, failed, and it went on" for rank, one in helpers
            )
            return f"The command ended in order; {went_on}."
        if ended:
            return f"The command ended in order; {_accepted(ends)}."
        return f"All {len(ends)} ranks ended in order." if len(ends) > 1 else "The one rank ended in order."
    if outcome is Outcome.RAISE and case.failures and (blame is None or blame.by not in ("raised", "returned")):
        first = case.failures[0]
        what = f"{first.error[0]}: {words.brief(first.error[1])}"
        return f"Process {first.pid}, which is no rank, raised {what}." + (
            f" It ended {words.ranks_text(ended)}." if ended else ""
        )
    if outcome in (Outcome.RAISE, Outcome.CRASH) and blame is not None:
        told = [*blame.ranks, *([first_raised(case)] if blame.by == "returned" else [])]
        after = [end.rank for end in ends if end.status in ("raised", "dead") and end.rank not in told]
        left = "" if case.limit is None and not case.knot_beside else _left(case)
        return f"{why.rstrip()} {_then(after) if after else ''} {left}".strip().replace("  ", " ")
    if outcome is Outcome.SLOW:
        return "The deadline was reached while ranks still went on."
    if outcome is Outcome.CRASH and blame is None:
        code = next(code for code in case.roots if code)
        printed = words.last_output_text(case.collected.command, shared=False)
        left = "" if case.limit is None else f" {_left(case)}"
        return f"The command ended: {words.death_words(code)}{printed}. No rank of it failed.{left}".rstrip()
    return ""


def _accepted(ends: Sequence[RankEnd]) -> str:
    """How ranks ended that the command was content with: it ended them, or they with a status that it expects."""
    said = [end for end in ends if end.status == "dead" and end.exit_code is not None and end.exit_code > 0]
    codes = sorted({end.exit_code for end in said if end.exit_code is not None})
    parts = [
        f"{words.ranks_text(end.rank for end in said if end.exit_code == code)} ended with status {code}, which it accepted"
        for code in codes
    ]
    killed = [end.rank for end in ends if end.status == "dead" and end not in said]
    return "; ".join([*parts, *([f"it ended {words.ranks_text(killed)} itself"] if killed else [])])


def _hang_text(case: CaseSnapshot, cause: Cause, why: str) -> str:
    """Whatever else is known, where everybody stands."""
    if case.knot_beside:
        return f"{why}{_beside_text(case)}"
    if not case.states:
        stand = standing_text(case)
        return f"Nothing advances. No process joined a communicator{'; ' + stand if stand else ''}."
    stand = standing_text(case)
    limit = limit_s([wait for state in case.states.values() for _, wait in state.waits()])
    if case.limit in (Limit.TIMED, Limit.MISMATCH) and limit:
        why = f"A {cause.value} until the library's limit of {limit} s. {why}"
    if cause is Cause.STALL:
        return f"Nothing advances, and nothing proves a deadlock. {why}{stand[:1].upper()}{stand[1:]}."
    return f"{why}Now {stand}."


def _beside_text(case: CaseSnapshot) -> str:
    """Of a knot of processes that are no ranks."""
    one = len({wait.rank for wait in case.knot_beside}) == 1
    who = "The one process that is left waits for itself" if one else "The processes that are left wait for each other"
    none = "" if case.states else ", and none has joined a communicator"
    return f"{who}{none}. {words.capital(standing_text(case))}."


def _left(case: CaseSnapshot) -> str:
    """What is still there, and where it stands."""
    running = any(state.status is Status.RUNNING for state in case.states.values())
    return f"Now {standing_text(case)}." if running else left_text(case)


def _then(ranks: Sequence[int]) -> str:
    who = words.ranks_text(ranks)
    return f"{who[0].upper()}{who[1:]} failed after it."


def _first_ended(case: CaseSnapshot, ranks: Iterable[int]) -> int | None:
    return next(iter(clock.first({rank: case.ended(rank) for rank in ranks})), None)
