"""Whom to blame: the rank and the decision that caused it, not the minority and not the victims. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lockstep.harness.judge import clock, words
from lockstep.harness.judge.bereft import bereft_of, failed
from lockstep.harness.judge.divergence import Split, last_split, most_repeated_veto, not_there, own_split, parting
from lockstep.harness.judge.graph import Stuck, lacked
from lockstep.harness.judge.history import Message
from lockstep.harness.judge.names import wait_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, Status, Wait
from lockstep.harness.vocabulary import Cause, Outcome


def blame(case: CaseSnapshot, outcome: Outcome, cause: Cause) -> Blame | None:
    """The blame for a verdict; None for a success and where nothing stands out."""
    found = case.rules.blame(case, outcome, cause)
    return found or _blame(case, outcome, cause)


def _blame(case: CaseSnapshot, outcome: Outcome, cause: Cause) -> Blame | None:
    if cause is Cause.DEADLOCK:
        return _parted(case) or _mispaired(case) or _missing(case)
    if cause is Cause.ORPHANED:
        return _parted(case) or _failed_first(case, _lacked(case) if case.knot else bereft_of(case) or failed(case))
    if cause is Cause.LIVELOCK:
        veto = most_repeated_veto(case.histories)
        return _by_decision(veto) if veto else None
    if cause is Cause.STALL or outcome is Outcome.SLOW:
        # That nothing is known of a rank of a program is no fault of it.
        running = _running(case) if case.rules.decisions_logged else _failed_first(case, failed(case))
        return running or _in_flight(case)
    if outcome is Outcome.RAISE:
        # A guard raises over the last difference; but where collectives were mis-paired, that came first.
        split = case.parting
        own = None if split else own_split(case.histories)
        if own is not None:
            return _by_own_decision(case, own)
        split = split or last_split(case.histories)
        return _by_decision(split) if split and split.deviating else _ended(case, case.states)
    if cause is Cause.ABORT and case.mispairs:
        # A library that aborts over a message it did not expect does so on either side.
        split = case.parting
        if split and split.deviating:
            return _by_decision(split)
    if outcome is Outcome.CRASH:
        lost = cause is Cause.DEVICE_ERROR
        ended = [Status.DEAD, Status.ABORTED]
        if _aborted_over_others(case):
            ended.append(Status.RAISED)
        return _ended(case, [r for r, s in case.states.items() if (s.device_lost if lost else s.status in ended)])
    return None


def _aborted_over_others(case: CaseSnapshot) -> bool:
    """Whether a rank ended the job without an error of its own: then an error of another one comes before that in time."""
    aborted = [rank for rank, state in case.states.items() if state.status is Status.ABORTED]
    return bool(aborted) and all(case.histories[rank].error is None for rank in aborted)


def _parted(case: CaseSnapshot) -> Blame | None:
    """By the decision that parted ranks which now wait for each other."""
    split = parting(case.histories, ((stuck.rank, stuck.lacks) for stuck in case.knot))
    return _by_decision(split) if split else None


def _by_decision(split: Split) -> Blame:
    ranks = split.deviating or _smallest(split)
    choice = next((choice for choice, made in split.choices.items() if ranks[0] in made), "")
    detail = split.details.get(ranks[0], "")
    return Blame(
        ranks=ranks,
        by="decision",
        text=words.decision_text(split, ranks, choice, detail),
        site=split.site,
        phase=split.phase,
        shape=split.key,
        choice=choice,
        detail=detail,
        choices=split.choices,
    )


def _by_own_decision(case: CaseSnapshot, split: Split) -> Blame:
    """By what the first rank that failed decided, and whom its last collective still lacked: that is no fault of theirs."""
    found = _by_decision(split)
    late = not_there(case.histories, split.deviating[0])
    if late is None:
        return found
    entry, ranks = late
    name = case.comms[entry.comm][1]
    return replace(found, text=f"{found.text}, before {words.ranks_text(ranks)} came to {name} {entry.op} #{entry.seq}")


def _smallest(split: Split) -> tuple[int, ...]:
    """No choice is marked as leaving the common path: name the fewest, and let the text give all choices."""
    return min((tuple(ranks) for ranks in split.choices.values()), key=lambda ranks: (len(ranks), ranks))


def _mispaired(case: CaseSnapshot) -> Blame | None:
    """No decision was logged: by the first collective that ranks of the knot entered as different ones, at which lines.

    Where ranks choose without a word, this is where they first differ; the smaller group is named.
    """
    if case.rules.decisions_logged:
        return None
    involved = {stuck.rank for stuck in case.knot} | lacked(case.knot)
    found = [mispair for mispair in case.mispairs if involved & set(mispair.entries)]
    if not found:
        return None
    first = min(found, key=lambda mispair: min(entry.at for entry in mispair.entries.values()))
    groups: dict[str, list[int]] = defaultdict(list)
    for rank, entry in sorted(first.entries.items()):
        groups[words.entry_words(entry) + (f" at {entry.site}" if entry.site else "")].append(rank)
    blamed = min((len(group), tuple(group)) for group in groups.values())[1]
    kind, name = case.comms.get(first.comm, ("", first.comm))
    text = words.mispaired_text(f"{kind} {name} #{first.seq}", groups)
    entry = first.entries[blamed[0]]
    return Blame(blamed, "collective", text, site=f"{name}.{entry.op}", choice=entry.op, choices=dict(groups))


def _missing(case: CaseSnapshot) -> Blame | None:
    """No decision was logged: by the collective that the fewest ranks never enter.

    Of several one on a device counts first, since a host that waits elsewhere without having launched it has passed it by;
    then the first in time.
    """
    knot = [stuck for stuck in case.knot if stuck.wait.need not in (Need.STREAM, Need.HOLDERS)]
    if not knot:
        return None
    first = _first_wait(case, knot)
    wait, state = first.wait, case.states[first.lacks[0]]
    name = case.comms[wait.comm][1]
    what = f"{name} {wait.op} #{wait.seq}" + (f" (at {wait.site})" if wait.site else "")
    if wait.need is Need.SSEND:
        text = words.unreceived_text(first.lacks, first.rank, what)
    elif wait.need is Need.RECV:
        waiting = [s.rank for s in knot if (s.wait.comm, s.wait.op, s.wait.peer) == (wait.comm, wait.op, wait.peer)]
        text = words.unsent_text(first.lacks, waiting, what, wait.phase)
    else:
        text = words.missing_text(first.lacks, what, wait.phase)
    return Blame(first.lacks, "collective", text, site=f"{name}.{wait.op}", phase=state.phase, shape=state.shape)


def _first_wait(case: CaseSnapshot, knot: Sequence[Stuck]) -> Stuck:
    least = min((len(s.lacks), s.thread < STREAM_WAITER) for s in knot)
    found = [s for s in knot if (len(s.lacks), s.thread < STREAM_WAITER) == least]
    return min(case.rules.first_waits(case, found), key=lambda s: s.rank)


def _lacked(case: CaseSnapshot) -> list[int]:
    ended = (peer for peer in sorted(lacked(case.knot)) if peer in case.states)
    return [peer for peer in ended if case.states[peer].status is not Status.RUNNING]


def _failed_first(case: CaseSnapshot, ranks: Sequence[int]) -> Blame | None:
    return _ended(case, case.rules.first_failures(case, ranks))


def _ended(case: CaseSnapshot, ranks: Iterable[int]) -> Blame | None:
    """By the rank that ended first: an error before a death before a return.

    Where ranks of different hosts ended so close together that their clocks cannot tell, by each of them.
    """
    order = {Status.RAISED: 0, Status.ABORTED: 0, Status.DEAD: 1, Status.RETURNED: 2}
    ended = [rank for rank in ranks if case.states[rank].status in order]
    if not ended:
        return None

    least = min(order[case.states[rank].status] for rank in ended)
    times = {rank: case.failed_or_ended(rank) for rank in ended if order[case.states[rank].status] == least}
    first, *others = clock.first(times)
    state, history, process = case.states[first], case.histories[first], case.processes[first]
    by = {Status.RAISED: "raised", Status.RETURNED: "returned"}.get(state.status, "died")
    alike = sorted({rank for rank in ended if case.states[rank].status is state.status})
    alone = by != "raised" or bool(case.knot)
    same = [first, *others] if alone else case.rules.with_same_error(case, alike, first)
    left = "" if process.left is None else wait_name(case, process.left)
    text = words.ended_text(first, state, history, process.exit_code, left)
    if by == "died":
        text += words.last_output_text(case.collected.output.get(first, ""), first in case.collected.shared)
    if others:
        text += words.perhaps_earlier_text(others, max(times[rank].within_ns for rank in (first, *others)))
    detail = f"{history.error[0]}: {history.error[1]}" if history.error else ""
    return Blame(tuple(same), by, text, phase=state.phase, shape=state.shape, choice=by, detail=detail)


def _in_flight(case: CaseSnapshot) -> Blame | None:
    """By the rank that began a send without waiting for it: a library may need its sender to drive the transfer."""
    for rank, state in sorted(case.states.items()):
        for _, wait in state.waits():
            known = wait.need is Need.RECV and wait.peer in case.states
            posted = _posted(case, rank, wait) if known else None
            if posted is None:
                continue
            sender = case.states[wait.peer]
            what = f"{case.comms[wait.comm][1]} send {posted.what}".rstrip()
            text = words.in_flight_text(wait.peer, what, rank, [w for _, w in sender.waits()])
            return Blame((wait.peer,), "message", text, site=what, phase=posted.phase, shape=posted.shape)
    return None


def _posted(case: CaseSnapshot, rank: int, wait: Wait) -> Message | None:
    """The send that did not block and that a blocked receive of `rank` matches."""
    channel = (wait.comm, rank, wait.tag, wait.seq)
    sent = (message for message in case.histories[wait.peer].messages if message.sends and message.posted)
    return next((m for m in sent if (m.comm, m.peer, m.tag, m.seq) == channel), None)


def _running(case: CaseSnapshot) -> Blame | None:
    """By the ranks that are in no known wait: everybody else waits for them."""
    busy = tuple(rank for rank, state in sorted(case.states.items()) if state.runs)
    if not busy:
        return None
    state = case.states[busy[0]]
    return Blame(busy, "running", words.running_text(busy, state), phase=state.phase, shape=state.shape)
