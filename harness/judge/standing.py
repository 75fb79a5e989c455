"""Where everybody stands: for each rank what it waits in, for whom and at which line, as far as anything tells. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from lockstep.harness.judge import kernel_calls, words
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.lacking import lacking
from lockstep.harness.judge.limits import endless
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.stack_text import main_thread, place_text
from lockstep.harness.judge.unreceived import unreceived
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, RankState, Status, Wait
from lockstep.harness.trace.wait import PIDS, PROCESS, TARGET

_NUMBERED = re.compile(r":\d+(?= in )")
LISTED = 3  # messages that lie there


def standing_text(case: CaseSnapshot) -> str:
    """Of all ranks, those alike together; then of processes that are no ranks, and of messages that lie there."""
    groups: dict[str, list[int]] = defaultdict(list)
    for rank in sorted(case.states):
        groups[_rank(case, rank)].append(rank)
    parts = [f"{words.ranks_text(ranks)} {_verb(what, len(ranks))}" for what, ranks in groups.items()]
    others = dict(_others(case))
    parts += [f"process {_named(case, pid)}, which is no rank, stands {place}" for pid, place in others.items()]
    awaited = _awaited(case) if case.states else case.restless  # without ranks processes are all that is left to tell of
    parts += [text for pid, text in sorted(case.restless.items()) if pid in awaited and pid not in others]
    lying = [text for rank in sorted(case.states) for text in _lying(case, rank)]
    return "; ".join([*parts, *lying[:LISTED]])


def beside_places(case: CaseSnapshot) -> tuple[str, ...]:
    """Of a knot without ranks: what each of its processes is in, and where in its program, without numbers of processes and
    lines, which others have elsewhere."""
    found: list[str] = []
    for pid in sorted({wait.rank % PIDS for wait in case.knot_beside}):
        thread = main_thread(case.collected.others.get(pid, ""), case.collected.folder)
        place = f" {_NUMBERED.sub('', thread.site)} {thread.inside}" if thread is not None else ""
        found.append(_call(case, pid) + place)
    return tuple(found)


def left_text(case: CaseSnapshot) -> str:
    """Processes that are no ranks and are still there when all ranks have ended; empty: none in lines of the program."""
    parts = [f"process {_named(case, pid)}, which is no rank, still stands {place}" for pid, place in _others(case).items()]
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _rank(case: CaseSnapshot, rank: int) -> str:
    """One rank, with a verb in the singular before a bar."""
    state = case.asleep.get(rank, case.states[rank])
    if state.status is not Status.RUNNING:
        return _ended(case, rank)
    told = [(thread, wait) for thread, wait in _waits(state)]
    # A thread of a library that waits for its own process tells nothing beside others.
    ours = [(thread, wait) for thread, wait in told if wait.comm or wait.site or wait.op.endswith(TARGET)] or told
    waits = [_wait(case, rank, thread, wait) for thread, wait in ours]
    place = _stack_place(case, rank)
    if state.kept_out and waits:
        keeps = "waits|wait in " + " and in ".join(dict.fromkeys(waits)) + ", which keeps Python's lock"
        return keeps + (f"; for it stands {place}" if place and 0 in state.kept_out else "")
    if not state.busy and waits:
        return "waits|wait in " + " and in ".join(dict.fromkeys(waits))
    if place:
        return "stands|stand " + place + (f", and waits in {' and in '.join(dict.fromkeys(waits))}" if waits else "")
    if waits:
        return "waits|wait in " + " and in ".join(dict.fromkeys(waits)) + ", with threads in no known wait"
    return "is|are in no known wait"


def _waits(state: RankState) -> Iterable[tuple[int, Wait]]:
    """Those that say where a rank stands."""
    return ((thread, wait) for thread, wait in state.waits() if wait.need is not Need.STREAM and not wait.serves)


def _verb(what: str, ranks: int) -> str:
    head, _, rest = what.partition(" ")
    one, _, many = head.partition("|")
    return f"{one if ranks == 1 else many or one} {rest}".rstrip()


def _wait(case: CaseSnapshot, rank: int, thread: int, wait: Wait) -> str:
    needed = set(needs(case, rank, thread, wait)) if wait.parts else set()
    if one := _whole(wait):
        whom = f" for {words.ranks_text(needed)}" if needed else ""
        return f"{group_name(case, one.comm)} {one.op} #{one.seq}" + (f" at {wait.site}" if wait.site else "") + whom
    if wait.parts and all(part.need is Need.HOLDERS and part.op == wait.op for part in wait.parts):  # of one thing
        return wait.op + (f" at {wait.site}" if wait.site else "") + _for(case, rank, wait, sorted(needed))
    if wait.parts:
        which = "any" if wait.need is Need.EITHER else "all"
        listed = [_wait(case, rank, thread, part._replace(site="", phase="")) for part in wait.parts]
        more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        what = f"{which} of {', '.join(listed[:LISTED])}{more}" if len(listed) > 1 else listed[0]
        return f"{wait.op} of {what}" + (f" at {wait.site}" if wait.site else "")
    tag = f" of tag {wait.tag}" if wait.op.partition(" ")[0] in ("send", "recv") and wait.tag >= 0 else ""
    place = f" ({wait.phase})" if wait.phase else f" at {wait.site}" if wait.site else ""
    lacks = _lacks(case, rank, thread, wait)
    if not wait.comm:
        return f"{wait.op}{place}{_for(case, rank, wait, lacks)}"
    whom = f" for {words.ranks_text(lacks)}" if lacks else ""
    stream = "its stream " if thread >= STREAM_WAITER else ""
    return f"{stream}{group_name(case, wait.comm)} {wait.op} #{wait.seq}{tag}{place}{whom}"


def _whole(wait: Wait) -> Wait | None:
    """The collective that a wait for several is, where each part is its wait for another member; None: it is none."""
    first = wait.parts[0] if wait.parts else wait
    alike = all((part.comm, part.op, part.seq) == (first.comm, wait.op, first.seq) for part in wait.parts)
    return first if wait.parts and first.need is not Need.HOLDERS and alike else None


def _for(case: CaseSnapshot, rank: int, wait: Wait, lacks: Sequence[int]) -> str:
    """Whom a thread sleeps for: anybody of them would do."""
    if tuple(lacks) == (rank,):
        ends = [part.end for part in wait.parts] or [wait.end]
        state = case.beside.get(rank) or case.asleep.get(rank) or case.states[rank]
        own = all(end.startswith(("own ", "interruptible ", "parked ", "forked ", "alarm ")) for end in ends)
        own = own or len([None for _, one in state.waits() if not one.serves]) > 1
        return " for another of its threads" if own else ", the other end of which nobody else holds"
    return f" for any of {words.ranks_text(lacks)}" if len(lacks) > 1 else f" for {words.ranks_text(lacks)}" if lacks else ""


def needs(case: CaseSnapshot, rank: int, thread: int, wait: Wait) -> tuple[int, ...]:
    """For whom a wait is, all its parts together; empty: that is not known."""
    return tuple(sorted({lack for part in wait.parts or (wait,) for lack in _lacks(case, rank, thread, part)}))


def _lacks(case: CaseSnapshot, rank: int, thread: int, wait: Wait) -> tuple[int, ...]:
    found: Stuck | None = next((stuck for stuck in case.knot if (stuck.rank, stuck.thread) == (rank, thread)), None)
    if found is not None:
        return found.lacks
    if wait.need is Need.HOLDERS or (wait.parts and not wait.comm):
        known = not wait.parts or all(part.end in case.holders for part in wait.parts)
        return lacking(rank, wait, case.states, case.members, case.holders) if known else ()
    if wait.comm not in case.members:
        return ()
    if wait.op.partition(" ")[0] == "send" and wait.peer >= 0:
        return (wait.peer,)
    return lacking(rank, endless(rank, wait), case.states, case.members)


def _stack_place(case: CaseSnapshot, rank: int) -> str:
    hidden = [entry for entry in case.histories[rank].entries[-1:] if entry.at == case.states[rank].number and entry.site]
    thread = main_thread(case.collected.stacks.get(rank, ""), case.collected.folder)
    if thread is not None:
        return place_text(thread)
    return f"at {hidden[0].site}" if hidden else ""


def _ended(case: CaseSnapshot, rank: int) -> str:
    state, process = case.states[rank], case.processes[rank]
    if state.status is Status.DEAD:
        unborn = not state.number and process.exit_code is None
        return "is|are missing" if unborn else f"died: {words.death_words(process.exit_code)}"
    if state.status is Status.RAISED:
        error = case.histories[rank].error
        return f"raised {error[0]}" if error else "raised"
    return {Status.RETURNED: "returned", Status.ABORTED: "called abort"}.get(state.status, str(state.status.value))


def _others(case: CaseSnapshot) -> dict[int, str]:
    """Processes that are no ranks, by id: where they stand. Of those without a line, those that somebody waits for."""
    told: dict[int, str] = {}
    asleep = {node % PIDS: node for node in case.beside}
    awaited = asleep if case.knot_beside or not case.states else _awaited(case)
    for pid in sorted({*case.collected.others, *(asleep.keys() & awaited)}):
        thread = main_thread(case.collected.others.get(pid, ""), case.collected.folder)
        if thread is not None:
            told[pid] = place_text(thread, _call(case, pid) if pid in asleep else "") + _beside(case, pid)
        elif pid in asleep:
            told[pid] = f"in {_in_kernel(case, asleep[pid])}"
    return told


def _awaited(case: CaseSnapshot) -> set[int]:
    """The ids of processes that a rank waits for, or one that such a process waits for."""
    known = {**case.states, **case.asleep, **case.beside}
    nodes = [node for node in known if node < PROCESS]
    for node in nodes:
        waits = [(thread, wait) for thread, wait in known[node].waits() if not wait.comm] if node in known else []
        for peer in {peer for thread, wait in waits for peer in needs(case, node, thread, wait)}:
            if peer >= PROCESS and peer not in nodes:
                nodes.append(peer)
    return {node % PIDS for node in nodes if node >= PROCESS}


def _named(case: CaseSnapshot, pid: int) -> str:
    """A process by its id; with what it runs, where it shows no line."""
    if main_thread(case.collected.others.get(pid, ""), case.collected.folder) is not None:
        return str(pid)
    return next((f"{pid} ({one.name})" for node, one in case.programs.items() if node % PIDS == pid), str(pid))


def _in_kernel(case: CaseSnapshot, node: int) -> str:
    """What a process without a line is in, and whom it needs."""
    state, program = case.beside[node], case.programs.get(node)
    main = state.waits()[0][1]
    lacks = sorted({peer for thread, wait in state.waits() for peer in _lacks(case, node, thread, wait)} - {node})
    known = kernel_calls.sleeps_in(main, program, lacks, case.programs) if len(state.waits()) == 1 else ""
    return known or main.op + _beside(case, node % PIDS)


def _call(case: CaseSnapshot, pid: int) -> str:
    """What the kernel says that a process is in."""
    return next(wait.op for node, state in case.beside.items() if node % PIDS == pid for _, wait in state.waits())


def _beside(case: CaseSnapshot, pid: int) -> str:
    """Whom a process that is no rank sleeps for, where all are known who could wake it."""
    for node, state in case.beside.items():
        if node % PIDS == pid:
            main = state.waits()[0][1]
            lacks = {peer for thread, wait in state.waits() for peer in _lacks(case, node, thread, wait)}
            return _for(case, node, main, sorted(lacks - {node}) or sorted(lacks))
    return ""


def _lying(case: CaseSnapshot, rank: int) -> list[str]:
    """Messages that a rank which waits for another one has never asked for."""
    waits = [wait for _, wait in case.states[rank].waits() if wait.need is Need.RECV]
    found: list[str] = []
    for sender, message in unreceived(case.histories, rank) if waits else ():
        place = f", sent at {message.site}" if message.site else ""
        found.append(
            f"a message of tag {message.tag} from rank {sender} to rank {rank} on {group_name(case, message.comm)}{place}, "
            "was never received"
        )
    return found
