"""Sentences of a verdict, for a person with a hung node. Pure."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lockstep.harness.judge.datatypes import handed_words
from lockstep.harness.judge.divergence import Split
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.verdict import Blame, RankEnd, WaitLine
from lockstep.harness.trace.choice import LEFT_OUT
from lockstep.harness.trace.state import RankState, Status, Wait
from lockstep.harness.trace.wait import NOBODY_YET, PIDS, PROCESS
from lockstep.harness.vocabulary import Cause, Outcome

BOTH = "both say that they are"  # of processes that have one number in one world
MESSAGE_CHARACTERS = 800
# The usual cause: ranks of one host and NCCL meet there, and the first write beyond its end is answered so.
FULL_SHM = " (as where /dev/shm is full: see `df -h /dev/shm`; a container needs --shm-size=1g)"
OUTPUT_LINES = 3  # of a dead rank
LINE_CHARACTERS = 200


def ranges(ranks: Iterable[int]) -> str:
    """Ranks in short: 0, 1, 2 and 5 are `0-2,5`."""
    spans: list[list[int]] = []
    for rank in sorted(set(ranks)):
        if spans and rank == spans[-1][-1] + 1:
            spans[-1][1:] = [rank]
        else:
            spans.append([rank])
    return ",".join("-".join(map(str, span)) for span in spans)


def capital(text: str) -> str:
    """As a sentence begins."""
    return text[:1].upper() + text[1:]


def ranks_text(ranks: Iterable[int]) -> str:
    """`rank 3`, `ranks 0-2,5`."""
    told = set(ranks)
    processes = sorted(rank % PIDS for rank in told if rank >= PROCESS)
    if processes:
        ranks = {rank for rank in told if rank < PROCESS}
        listed = f"process{'' if len(processes) == 1 else 'es'} {', '.join(map(str, processes))}"
        return f"{ranks_text(ranks)} and {listed}" if ranks else listed
    known = {rank for rank in told if rank < NOBODY_YET}
    more = len(told) - len(known)
    unknown = f"{more} rank{'' if more == 1 else 's'} that nobody has seen" if more else ""
    if not known and unknown:
        return unknown
    listed = ranges(known)
    return f"rank{'' if listed.isdigit() else 's'} {listed}" + (f" and {unknown}" if unknown else "")


def entry_words(entry: Entry) -> str:
    """A collective as one rank entered it."""
    place = " ".join(filter(None, (entry.phase, entry.shape)))
    size = f" of {what}" if (what := handed_words(entry)) else ""
    graph = f" of graph {entry.graph}" if entry.graph else ""
    return f"{entry.op}{size}{graph}" + (f" ({place})" if place else "")


def decision_text(split: Split, ranks: Sequence[int], choice: str, detail: str) -> str:
    """Who chose what, against whom."""
    others = "; ".join(f"{ranks_text(made)} {_chose(other)}" for other, made in split.choices.items() if other != choice)
    figures = f" ({detail})" if detail else ""
    place = split.site if split.site.startswith(split.phase) else f"{split.phase} {split.site}"
    who = ranks_text(ranks)
    did = f"left out {place}" if choice == LEFT_OUT else f"chose {choice} at {place}"
    return f"{who[0].upper()}{who[1:]} {did} {split.key}{figures}" + (f"; {others}" if others else "")


def _chose(choice: str) -> str:
    """What was left out was not chosen."""
    return "left it out" if choice == LEFT_OUT else f"chose {choice}"


def missing_text(missing: Iterable[int], what: str, phase: str) -> str:
    """Ranks that never enter what others wait in."""
    who = ranks_text(missing)
    where = f" of {phase}" if phase else ""
    return f"{who[0].upper()}{who[1:]} never entered {what}{where}, which the others entered"


def behind_text(behind: Sequence[int], what: str, phase: str) -> str:
    """Ranks that have not entered what others have: so far, for they may only be late."""
    where = f" of {phase}" if phase else ""
    return (
        f"{capital(ranks_text(behind))} {'have' if len(behind) > 1 else 'has'} not entered {what}{where}, which others have"
    )


def unreceived_text(missing: Iterable[int], waiter: int, what: str) -> str:
    """Ranks that never receive what another waits to send."""
    who = ranks_text(missing)
    return f"{who[0].upper()}{who[1:]} never received what rank {waiter} waits to send in {what}"


def mispaired_text(where: str, groups: Mapping[str, Sequence[int]]) -> str:
    """Ranks that met in one collective as different ones."""
    listed = "; ".join(f"{ranks_text(ranks)} entered {what}" for what, ranks in groups.items())
    return f"Ranks first differ in {where}: {listed}"


def unsent_text(missing: Iterable[int], waiting: Iterable[int], what: str, phase: str) -> str:
    """Ranks that never send what others, or they themselves, wait for."""
    who = ranks_text(missing)
    where = f" of {phase}" if phase else ""
    return f"{who[0].upper()}{who[1:]} never sent what {ranks_text(waiting)} waited for in {what}{where}"


def brief(error: str) -> str:
    """The first line of an error message, cut where a sentence becomes a page. The whole stands in the evidence."""
    line = error.partition("\n")[0].strip()
    return line if len(line) <= MESSAGE_CHARACTERS else f"{line[:MESSAGE_CHARACTERS].rstrip()} ..."


def ended_text(rank: int, state: RankState, history: History, exit_code: int | None, left: str = "") -> str:
    """How a rank ended. `left`: the operation in which it was then."""
    place = " ".join(filter(None, (state.phase, state.shape)))
    where = f" in {place}" if place else f" inside {left}" if left else ""
    if state.status is Status.RAISED and history.error:
        return f"Rank {rank} raised {history.error[0]}{where}{error_site(history.error[2])}: {brief(history.error[1])}"
    if state.status is Status.ABORTED:
        after = f", after {history.error[0]}: {brief(history.error[1])}" if history.error else ""
        return f"Rank {rank} called abort with code {history.abort_code}{where}{after}"
    if state.status is Status.RETURNED:
        return f"Rank {rank} ended with status 0{where}" if left else f"Rank {rank} returned"
    if not state.number and exit_code is None:
        return f"Rank {rank} was never started, and nobody is left who could start it"
    if not state.number and state.rank_of is not None:
        return f"Rank {rank} ended before it had joined: {death_words(exit_code)}"
    if history.ended_ns and exit_code is not None and exit_code < 0:
        return f"Rank {rank} died when its program had ended: {death_words(exit_code)}"
    forgot = ", without recorder.returned()" if exit_code == 0 and state.rank_of is None else ""  # of an engine
    return f"Rank {rank} died{where}: {death_words(exit_code)}{forgot}"


def error_site(traceback: str) -> str:
    """Where an error was raised that has no more of a traceback than its line, as those of compiled programs."""
    return f" at {traceback}" if traceback and "\n" not in traceback else ""


def perhaps_earlier_text(ranks: Iterable[int], within_ns: float) -> str:
    """Ranks of other hosts that may have been the first as well."""
    known = "is not known" if within_ns == float("inf") else f"is known to within {within_ns / 1e6:.1f} ms"
    return f" (or {ranks_text(ranks)} before it: the difference of their hosts' clocks {known})"


def death_words(code: int | None) -> str:
    """An exit status in words."""
    if code is None:
        return "its process is gone"
    if code == -signal.SIGBUS:
        return f"SIGBUS{FULL_SHM}"
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name


def last_output_text(output: str, shared: bool) -> str:
    """The last lines that a dead rank printed; `shared`: or another rank of the same command."""
    lines = [line.strip() for line in output.splitlines() if line.strip()][-OUTPUT_LINES:]
    quoted = " / ".join(line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} ..." for line in lines)
    who = "its command, which has other ranks too," if shared else "it"
    return f'; the last that {who} printed: "{quoted}"' if quoted else ""


def interrupted_text(stopped_by: str, seconds: float, situation: str) -> str:
    """A case that somebody has ended before anything was certain."""
    return f"Interrupted by {stopped_by} after {seconds:.0f} s, before anything was certain: {situation.rstrip('.')}."


def unable_text(reasons: Mapping[int, str]) -> str:
    """Why an engine cannot run a scenario, as the first rank says that found out; and which ranks say the same."""
    reason = next((reason for _, reason in sorted(reasons.items()) if reason), "")
    same = ranks_text(rank for rank, other in reasons.items() if other == reason)
    return f"The engine cannot run this scenario: {reason} ({same})."


def in_flight_text(sender: int, what: str, receiver: int, now: Sequence[Wait]) -> str:
    """A message that was begun and not completed."""
    where = f", and is now in {now[0].op}" if now else ""
    return f"Rank {sender} began {what} without waiting for it{where}; rank {receiver} waits for the rest of it"


def running_text(ranks: Sequence[int], state: RankState) -> str:
    """Ranks of an engine that are in no known wait."""
    place = " ".join(filter(None, (state.phase, state.shape))) or "no phase"
    who = ranks_text(ranks)
    return f"{who[0].upper()}{who[1:]} entered no wait and reached no milestone (in {place})"


def knot_text(knot: Sequence[WaitLine]) -> str:
    """Who waits where for whom, ranks in the same wait together. A host's wait for its own stream goes without saying."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    lists: dict[int, str] = {}  # those in one collective share their list
    for line in knot:
        if line.lacks != (line.rank,):
            # Ranks in the same collective lack one another in no case; what they lack together is the same.
            graph = f" of graph {line.graph}" if line.graph else ""
            place = f" ({line.phase})" if line.phase else f" at {line.site}" if line.site else ""
            where = f"{line.kind} {line.name} {line.op} #{line.seq}{graph}{place}"
            if id(line.lacks) not in lists:
                lists[id(line.lacks)] = ranks_text(line.lacks)
            groups[where, lists[id(line.lacks)], "stream" if line.stream else ""].append(line.rank)
    return "; ".join(
        f"{_waiters(ranks, stream)} in {where} for {lacked}" for (where, lacked, stream), ranks in groups.items()
    )


def _waiters(ranks: Sequence[int], stream: str) -> str:
    one = len(ranks) == 1
    who = f"the {stream}{'' if one else 's'} of {ranks_text(ranks)}" if stream else ranks_text(ranks)
    return f"{who} {'waits' if one else 'wait'}"


def verdict_text(
    outcome: Outcome, cause: Cause, knot: Sequence[WaitLine], blame: Blame | None, ends: Sequence[RankEnd]
) -> str:
    """The verdict in one or two sentences."""
    why = f"{blame.text}." if blame else ""
    if knot:
        now = knot_text(knot)
        return f"{why} Now {now}.".strip()
    if outcome is Outcome.SUCCESS:
        return f"All {len(ends)} ranks finished every phase."
    if outcome is Outcome.RAISE:
        raised = [end for end in ends if end.status == "raised"]
        first = next((end for end in raised if blame and end.rank in blame.ranks), raised[0])
        what = f"{ranks_text(end.rank for end in raised)} raised {first.error_type}: {brief(first.error)}"
        what = f"{what[0].upper()}{what[1:]}."
        return f"{what} {why}" if blame and blame.by == "decision" else what
    if outcome is Outcome.SLOW:
        return "The deadline was reached while milestones still advanced."
    if cause is Cause.LIVELOCK:
        return f"Ranks turn in circles: no milestone is reached. {why}".strip()
    if cause is Cause.STALL:
        return f"No rank advances, and nothing proves a deadlock. {why}".strip()
    aborted = [end.rank for end in ends if end.status == "aborted"]
    if aborted and blame and blame.by == "raised":
        return f"{why} Then {ranks_text(aborted)} called abort."
    return why
