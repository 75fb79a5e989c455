"""The verdict table: from what is known of a case to its verdict. Pure."""

from __future__ import annotations

from dataclasses import replace

from lockstep.harness.judge import program, words
from lockstep.harness.judge.blame import blame
from lockstep.harness.judge.clock import first
from lockstep.harness.judge.findings import findings
from lockstep.harness.judge.graph import lacked
from lockstep.harness.judge.picture import Limit, Picture
from lockstep.harness.judge.signature import signature
from lockstep.harness.judge.verdict import RankEnd, Verdict, WaitLine, cause_of_status
from lockstep.harness.trace.state import STREAM_WAITER, Status
from lockstep.harness.vocabulary import Cause, Outcome

LISTED = 200_000  # ranks that the waits of a verdict list in all


def decide(picture: Picture) -> Verdict:
    """The verdict of a case whose ranks have all ended, are knotted, or have run into a limit."""
    outcome, cause = classify(picture)
    ends = rank_ends(picture)
    if outcome is Outcome.INVALID:
        text = words.unable_text({rank: history.unable for rank, history in picture.histories.items()})
        return Verdict(outcome, cause, text, ranks=ends, start_to_verdict_s=picture.start_to_verdict_s)
    knot = wait_lines(picture)
    blamed = blame(picture, outcome, cause)
    return Verdict(
        outcome=outcome,
        cause=cause,
        text=program.verdict_text(picture, outcome, cause, blamed, ends)
        or words.verdict_text(outcome, cause, knot, blamed, ends),
        proved=bool(picture.knot) if outcome is Outcome.HANG else None,
        knot=short(knot),
        blame=blamed,
        findings=findings(picture),
        signature=signature(outcome, cause, knot, blamed, program.causes(picture, blamed, ends)),
        ranks=ends,
        last_block_to_verdict_s=picture.last_block_to_verdict_s if picture.knot else None,
        start_to_verdict_s=picture.start_to_verdict_s,
        snapshots_judged=picture.snapshots_judged,
        candidates_refuted=picture.candidates_refuted,
        events=sum(state.number for state in picture.states.values()),
        events_lost=sum(state.lost for state in picture.states.values()),
    )


def classify(picture: Picture) -> tuple[Outcome, Cause]:
    """Outcome and cause. Where an engine could not go on, what its peers wait for says nothing."""
    if any(state.status is Status.UNABLE for state in picture.states.values()):
        return Outcome.INVALID, Cause.SCENARIO
    if picture.knot:
        return Outcome.HANG, Cause.ORPHANED if ended_in_knot(picture) else Cause.DEADLOCK
    if picture.limit is Limit.LIVELOCK:
        return Outcome.HANG, Cause.LIVELOCK
    if picture.limit is Limit.DEADLINE:
        return (Outcome.SLOW, Cause.NONE) if picture.advancing else (Outcome.HANG, Cause.STALL)
    if picture.attached:
        return program.classify(picture)
    dead = first_death(picture)
    if dead is not None:
        return Outcome.CRASH, death_cause(picture, dead)
    if any(state.device_lost for state in picture.states.values()):
        return Outcome.CRASH, Cause.DEVICE_ERROR
    statuses = [state.status for state in picture.states.values()]
    if Status.RAISED in statuses:
        every = all(status is Status.RAISED for status in statuses)
        return Outcome.RAISE, Cause.ALL_RANKS if every else Cause.SOME_RANKS
    return Outcome.SUCCESS, Cause.NONE


def ended_in_knot(picture: Picture) -> tuple[int, ...]:
    """The ranks that somebody in the knot waits for and that have ended."""
    return tuple(sorted(r for r in lacked(picture.knot) if picture.states[r].status is not Status.RUNNING))


def first_death(picture: Picture) -> int | None:
    """The rank that aborted, or else the one whose process died first; None when all ended by themselves.

    Of two on different hosts, where the clocks cannot tell, the lower one.
    """
    for rank, state in sorted(picture.states.items()):
        if state.status is Status.ABORTED:
            return rank
    dead = [rank for rank, state in picture.states.items() if state.status is Status.DEAD]
    return next(iter(first({rank: picture.died(rank) for rank in dead})), None)


def death_cause(picture: Picture, rank: int) -> Cause:
    """Why a rank's process died."""
    process = picture.processes[rank]
    if process.oom_killed:
        return Cause.OOM_KILL
    return Cause.ABORT if picture.states[rank].status is Status.ABORTED else cause_of_status(process.exit_code)


def wait_lines(picture: Picture) -> tuple[WaitLine, ...]:
    """The knot in plain data."""
    return tuple(
        WaitLine(
            rank=stuck.rank,
            comm=stuck.wait.comm,
            kind=picture.comms[stuck.wait.comm][0] if stuck.wait.comm else "device",
            name=picture.comms[stuck.wait.comm][1] if stuck.wait.comm else "stream",
            op=stuck.wait.op,
            seq=stuck.wait.seq,
            phase=stuck.wait.phase,
            shape=stuck.wait.shape,
            lacks=stuck.lacks,
            stream=stuck.thread >= STREAM_WAITER,
            graph=stuck.wait.graph,
            site=stuck.wait.site,
        )
        for stuck in picture.knot
    )


def short(knot: tuple[WaitLine, ...]) -> tuple[WaitLine, ...]:
    """The same, short enough to be written down: where thousands lack thousands, each wait lists the first of them."""
    if sum(len(line.lacks) for line in knot) <= LISTED:
        return knot
    most = max(1, LISTED // len(knot))
    cut: dict[int, tuple[int, ...]] = {}
    found: list[WaitLine] = []
    for line in knot:
        lacks = cut.setdefault(id(line.lacks), line.lacks[:most])
        found.append(replace(line, lacks=lacks, lacks_more=len(line.lacks) - len(lacks)))
    return tuple(found)


def rank_ends(picture: Picture) -> tuple[RankEnd, ...]:
    """How each rank stood."""
    found: list[RankEnd] = []
    for rank, state in sorted(picture.states.items()):
        history, process = picture.histories[rank], picture.processes[rank]
        error = history.error or ("", "", "")
        blocked = state.status is Status.RUNNING and not state.runs
        found.append(
            RankEnd(
                rank=rank,
                status="blocked" if blocked else state.status.value,
                phase=state.phase,
                shape=state.shape,
                error_type=error[0],
                error=error[1],
                traceback=error[2],
                exit_code=process.exit_code,
                milestones=state.milestones,
                events=state.number,
                host=process.host,
                pid=process.pid,
                result=history.result,
                environment=history.environment,
            )
        )
    return tuple(found)
