"""The verdict table: from what is known of a case to its verdict. Pure."""

from __future__ import annotations

from dataclasses import replace

from lockstep.harness.judge import words
from lockstep.harness.judge.bereft import bereft_of, failed
from lockstep.harness.judge.blame import blame
from lockstep.harness.judge.findings import findings
from lockstep.harness.judge.graph import Stuck, lacked
from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.kernel_calls import Program
from lockstep.harness.judge.signature import signature
from lockstep.harness.judge.situation import situation_text
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit
from lockstep.harness.judge.stack_text import main_thread
from lockstep.harness.judge.standing import beside_places
from lockstep.harness.judge.verdict import Finding, ProcessWait, RankEnd, Verdict, WaitLine
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, Status
from lockstep.harness.trace.wait import PIDS, PROCESS
from lockstep.harness.vocabulary import Cause, Outcome

LISTED = 200_000  # ranks that the waits of a verdict list in all


def decide(case: CaseSnapshot) -> Verdict:
    """The verdict of a case whose ranks have all ended, are knotted, or have run into a limit.

    Outcome and cause come first. Whom to blame, what to say and what else was found is tried one by one.
    """
    outcome, cause = classify(case)
    ends = rank_ends(case)
    if cause is Cause.INTERRUPTED:
        return _interrupted(case, ends)
    if outcome is Outcome.INVALID:
        text = words.unable_text({rank: history.unable for rank, history in case.histories.items()})
        return Verdict(outcome, cause, text, ranks=ends, start_to_verdict_s=case.start_to_verdict_s)
    knot = wait_lines(case)
    guarded = Guarded()
    blamed = guarded("the blame", lambda: blame(case, outcome, cause), None)
    named = f"{outcome.value} ({cause.value})" if cause is not Cause.NONE else outcome.value
    text = guarded("the verdict's text", lambda: case.rules.verdict_text(case, outcome, cause, knot, blamed, ends), named)
    nothing: tuple[Finding, ...] = ()
    found = guarded("the findings", lambda: findings(case), nothing)
    nowhere: tuple[str, ...] = ()
    no_process: tuple[ProcessWait, ...] = ()
    beside = guarded("the places of a signature", lambda: beside_places(case), nowhere)
    marked = case.rules.signature_ends(blamed, ends)
    return Verdict(
        outcome=outcome,
        cause=cause,
        text=text,
        proved=bool(case.knot or case.knot_beside) and case.limit is None if outcome is Outcome.HANG else None,
        knot=short(knot),
        knot_processes=guarded("the processes of the knot", lambda: process_waits(case), no_process),
        blame=blamed,
        findings=(*found, *guarded.findings),
        signature=signature(outcome, cause, knot, blamed, marked, beside),
        ranks=ends,
        last_block_to_verdict_s=case.last_block_to_verdict_s if case.knot else None,
        start_to_verdict_s=case.start_to_verdict_s,
        snapshots_judged=case.snapshots_judged,
        candidates_refuted=case.candidates_refuted,
        events=sum(state.number for state in case.states.values()),
        events_lost=sum(state.lost for state in case.states.values()),
    )


def _interrupted(case: CaseSnapshot, ends: tuple[RankEnd, ...]) -> Verdict:
    """No judgement: how things stood."""
    guarded = Guarded()
    nothing: tuple[Finding, ...] = ()
    found = (*guarded("the findings", lambda: findings(case), nothing), *guarded.findings)
    text = words.interrupted_text(case.stopped_by, case.start_to_verdict_s, situation_text(case))
    seconds = case.start_to_verdict_s
    return Verdict(Outcome.INVALID, Cause.INTERRUPTED, text, findings=found, ranks=ends, start_to_verdict_s=seconds)


def classify(case: CaseSnapshot) -> tuple[Outcome, Cause]:
    """Outcome and cause. Where an engine could not go on, what its peers wait for says nothing."""
    if any(state.status is Status.UNABLE for state in case.states.values()):
        return Outcome.INVALID, Cause.SCENARIO
    if case.limit is Limit.INTERRUPTED:
        return Outcome.INVALID, Cause.INTERRUPTED
    if case.limit is Limit.MISMATCH or any(stuck.others for stuck in case.knot):
        return Outcome.HANG, Cause.MISMATCH
    if case.knot:
        return Outcome.HANG, Cause.ORPHANED if ended_in_knot(case) else Cause.DEADLOCK
    if case.knot_beside and not failed(case):  # else what came first is the cause of what the others wait for
        return Outcome.HANG, Cause.DEADLOCK
    if case.limit is Limit.UNBUFFERED:
        return Outcome.HANG, Cause.DEADLOCK
    if case.limit is Limit.LIVELOCK:
        return Outcome.HANG, Cause.LIVELOCK
    if case.limit is Limit.DEADLINE:
        return case.rules.overdue(case)
    if case.limit is Limit.LOST and bereft_of(case):
        return Outcome.HANG, Cause.ORPHANED
    return case.rules.classify(case)


def ended_in_knot(case: CaseSnapshot) -> tuple[int, ...]:
    """The ranks that somebody in the knot waits for and that have ended."""
    return tuple(sorted(r for r in lacked(case.knot) if r in case.states and case.states[r].status is not Status.RUNNING))


def wait_lines(case: CaseSnapshot) -> tuple[WaitLine, ...]:
    """The knot in plain data."""
    return tuple(
        WaitLine(
            rank=stuck.rank,
            comm=stuck.wait.comm,
            kind=case.comms[stuck.wait.comm][0] if stuck.wait.comm else _place(stuck)[0],
            name=case.comms[stuck.wait.comm][1] if stuck.wait.comm else _place(stuck)[1],
            op=stuck.wait.op,
            seq=stuck.wait.seq,
            phase=stuck.wait.phase,
            shape=stuck.wait.shape,
            lacks=stuck.lacks if stuck.wait.comm else tuple(peer for peer in stuck.lacks if peer < PROCESS),
            stream=stuck.thread >= STREAM_WAITER,
            graph=stuck.wait.graph,
            site=stuck.wait.site,
            limit_s=stuck.wait.limit_s,
        )
        for stuck in case.knot
        if not stuck.wait.serves
    )


def process_waits(case: CaseSnapshot) -> tuple[ProcessWait, ...]:
    """The waits of processes in a knot that are no ranks, in plain data; the line is that of a process's main thread.

    A thread that any of several ends could wake has one wait.
    """
    threads: dict[tuple[int, int], list[Stuck]] = {}
    for stuck in case.knot_processes:
        threads.setdefault((stuck.rank, stuck.thread), []).append(stuck)
    found: list[ProcessWait] = []
    for (node, _), waits in threads.items():
        pid, program = node % PIDS, case.programs.get(node, Program("?"))
        thread = main_thread(case.collected.others.get(pid, ""), case.collected.folder)
        site = waits[0].wait.site or (thread.site if thread is not None else "")
        peers = {peer for stuck in waits for peer in stuck.lacks}
        lacks = sorted(peers - {node}) or sorted(peers)
        ranks, processes = (peer for peer in lacks if peer < PROCESS), (peer % PIDS for peer in lacks if peer >= PROCESS)
        found.append(ProcessWait(program.host, pid, program.name, waits[0].wait.op, site, tuple(ranks), tuple(processes)))
    return tuple(found)


def _place(stuck: Stuck) -> tuple[str, str]:
    """Kind and name of what a wait is in that is of no communicator."""
    return ("process", "wait") if stuck.wait.need is Need.HOLDERS else ("device", "stream")


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


def rank_ends(case: CaseSnapshot) -> tuple[RankEnd, ...]:
    """How each rank stood."""
    found: list[RankEnd] = []
    for rank, state in sorted(case.states.items()):
        history, process = case.histories[rank], case.processes[rank]
        error = history.error or ("", "", "")
        blocked = state.status is Status.RUNNING and not (case.asleep.get(rank, state) if case.knot else state).runs
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
