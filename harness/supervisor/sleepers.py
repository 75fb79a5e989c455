"""Who sleeps among processes, in what, and who could wake them: as the kernel tells it at one moment, in plain data.

A thread is told as `{"thread", "op", "site", "steps", "ends"}`; each end as its kind, its name and the ids of the processes
that hold the other one, or null where they are not all known.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lockstep.harness.host import proc, process_tree
from lockstep.harness.host.alarms import file_with_alarms, may_have_alarm
from lockstep.harness.host.holders import Holders, Inherited, holders, listening, local_server
from lockstep.harness.host.thread_waits import ALARM, FORKED, INTERRUPTIBLE, OWN, PARKED, End, ThreadWait, thread_waits
from lockstep.harness.host.wakers import wakers
from lockstep.harness.supervisor.idle_main import IdleMain

LOOKS, BETWEEN_S = 5, 0.02  # more, where a thread is at work
SERVER_THREAD = "pt_tcpstore"  # so begins the name of a thread that serves a TCPStore
CLIENT, SERVER = "TCPStore client", "TCPStore server "  # in what such threads are
# What the line calls of a program that serves until it is interrupted.
SERVES = (
    "Event.wait", "Condition.wait", "run", "Runner.run", "BaseEventLoop.run_forever", "BaseEventLoop.run_until_complete",
)  # fmt: skip
CALLS = {"wait4": "waitpid", "futex": "a lock"}  # by which names people know them
Told = dict[str, Any]


class Known(NamedTuple):
    """What is known beside of processes that are seen from outside only.

    `mark`: how the name of the file begins that one leaves, with its number, when it sets an alarm. `forks`: those whose
    handlers of signals are most likely of libraries. `unchanged`: those that were never another program than they are.
    """

    mark: str
    forks: Collection[int] = ()
    unchanged: Collection[int] = ()


def of_threads(pid: int, asleep: Iterable[Mapping[str, Any]], outside: Inherited) -> tuple[list[str], list[str]]:
    """Of a process that knows its Python threads: those of them that sleep, and sentences on those that may not.

    `outside`: what the job shares with others.
    """
    entries = list(asleep)
    unsure = [] if all(one["sure"] for one in entries) else [pid]
    known = {one.thread: one for found in _waits(unsure).values() for one in found}
    ends = {end for one in entries if not one["sure"] for end in _ends(known.get(one["thread"]))}
    held = holders(ends, process_tree.descendants(os.getpid()), outside) if ends else {}
    told: list[Told] = []
    doubts: list[str] = []
    for one in entries:
        thread, wait = one["thread"], known.get(one["thread"])
        if one["sure"]:
            wait = ThreadWait(thread, "futex", False, (OWN,), ())
        if one.get("asks"):
            server = _server_of(wait)
            if wait is None or server is None or one.get("port") != server:
                doubts.append(one["text"])
            else:  # it sleeps in the store's client, of which an event tells; here only its steps count
                told.append(_told(thread, CLIENT, "", wait._replace(ends=(OWN,)), {}))
        elif wait is not None and wait.sleeps and _is_known(wait, one, held):
            told.append(_told(thread, one["op"], one["site"], wait._replace(ends=_interrupted(wait, one)), held))
        else:
            doubts.append(one["text"])
            if wait is not None and wait.timed and wait.call:
                told.append(_turning(thread, one["op"], one["site"], wait, one["text"], held))
    return [json.dumps(one) for one in (*told, *_servers(pid))], doubts


def _waits(pids: Sequence[int]) -> dict[int, list[ThreadWait]]:
    """Of each process its threads. Who turns in a loop is at work now and then, and for long where processors are few: it
    is looked at again.
    """
    found = {pid: thread_waits(pid) for pid in pids}
    for _ in range(LOOKS):
        at_work = [pid for pid, waits in found.items() if not all(one.call for one in waits)]
        if not at_work:
            break
        time.sleep(BETWEEN_S)
        again = {pid: thread_waits(pid) for pid in at_work}
        found |= {pid: waits for pid, waits in again.items() if all(one.call for one in waits)}
    return found


def _interrupted(wait: ThreadWait, entry: Mapping[str, Any]) -> tuple[End, ...]:
    """What a thread waits for; of a main thread that waits for its own process Ctrl-C, which may end that, is one more."""
    serves = entry["op"] in SERVES
    if not entry.get("interruptible") or not (serves or OWN in wait.ends):
        return wait.ends
    return (*(end for end in wait.ends if end != OWN), PARKED if serves else INTERRUPTIBLE)


def around(
    pids: Sequence[int],
    below: Sequence[int],
    outside: Inherited,
    known: Known,
    idle: IdleMain | None = None,
) -> list[str]:
    """Of processes that are seen from outside only: what all of their threads sleep in, or why nothing can be said.

    `idle`: is asked where nobody is awake.
    """
    waits = _waits(pids)
    held = holders({end for found in waits.values() for one in found for end in one.ends}, below, outside)
    told = {pid: _process(pid, found, held, known) for pid, found in waits.items() if found}
    if idle is not None and not any(one["doubts"] for one in told.values()):
        idle.begin()
        for pid, one in told.items():
            _note_interruption(one, idle.end(pid, waits[pid]))
    return [json.dumps(one) for one in told.values()]


def _note_interruption(told: Told, end: End | None) -> None:
    """A signal is one more thing that may end the wait of the main thread."""
    for one in told["threads"]:
        if end is not None and one["thread"] == told["pid"]:
            one["ends"].append((end.kind, end.name, []))


def _server_of(wait: ThreadWait | None) -> int | None:
    """The port of the server on this host from which a thread waits for an answer, and for nothing else."""
    ends = wait.ends if wait is not None and wait.call else ()
    return local_server(ends[0].name) if [end.kind for end in ends] == ["socket"] else None


def _servers(pid: int) -> list[Told]:
    """The threads that serve a TCPStore and sleep: then nothing is under way to it, and nobody has an answer to come."""
    tasks = [int(task.name) for task in proc.listed(Path(f"/proc/{pid}/task")) if _named(task, SERVER_THREAD)]
    waits = [one for one in (thread_waits(pid) if tasks else ()) if one.thread in tasks and one.sleeps]
    found: list[Told] = []
    for one in waits:
        ports = listening({end.name for end in one.ends if end.kind == "socket"})
        found += [_told(one.thread, f"{SERVER}{port}", "", one._replace(ends=(OWN,)), {}) for port in ports]
    return found


def _named(task: Path, name: str) -> bool:
    try:
        return (task / "comm").read_text().startswith(name)
    except OSError:
        return False


def _is_known(wait: ThreadWait, entry: Mapping[str, Any], held: Holders) -> bool:
    """Whether all are known who could wake a thread. A library may wait for a thread of its own in some process, of which
    nobody knows whom that serves; Python's locks and its standard library wait for Python code.
    """
    if OWN in wait.ends and not (entry["lock"] or entry["sure"]):
        return False
    outside = [end for end in wait.ends if end != OWN]
    return not outside or (bool(entry["standard"]) and all(held[end] is not None for end in outside))


def _process(pid: int, waits: Sequence[ThreadWait], held: Holders, known: Known) -> Told:
    woken = wakers(pid)
    theirs = wakers(pid, tells_handlers=True) if pid in known.forks else woken  # without handlers of libraries
    name = proc.program_name(pid)
    doubts = [f"a thread of process {pid} ({name}) {_awake(one)}" for one in waits if not one.sleeps] + theirs
    end, alarms = _alarm(pid, known)
    doubts += alarms
    threads = [_told(one.thread, CALLS.get(one.call, one.call), "", one, held) for one in waits if one.sleeps]
    told = {"pid": pid, "name": name, "threads": threads, "doubts": sorted(set(doubts))}
    told["fd"] = next((one.fd for one in waits if one.sleeps), -1)  # of the first of those threads
    told["waits"] = all(one.call for one in waits)
    told["turning"] = [_turning(one.thread, CALLS.get(one.call, one.call), "", one, "", held) for one in waits if one.timed]
    _note_interruption(told, FORKED if theirs != woken else None)
    _note_interruption(told, end)
    return told


def _alarm(pid: int, known: Known) -> tuple[End | None, list[str]]:
    """Whether an alarm may end a process: the end at which it may, and in a sentence where it most likely has one."""
    if Path(f"{known.mark}{pid}").exists():
        return None, [f"process {pid} has set an alarm"]
    try:
        if not may_have_alarm(pid):
            return None, []
        file = file_with_alarms(pid)
    except OSError as error:
        return None, [f"whether process {pid} has an alarm cannot be seen ({error.strerror})"]
    if file:
        return None, [f"process {pid} may have an alarm under way, as {file} sets some"]
    return None if pid in known.unchanged else ALARM, []


def _turning(thread: int, op: str, site: str, wait: ThreadWait, doubt: str, held: Holders) -> Told:
    """A thread in a wait with a limit of time: one of many, in a loop, unless somebody may end it whom nobody sees."""
    among_us = all(end == OWN or held.get(end) is not None for end in wait.ends)
    return {"turns": among_us, "thread": thread, "op": op, "site": site, "steps": wait.steps, "text": doubt}


def _awake(one: ThreadWait) -> str:
    return f"is in {one.call} with a limit of time" if one.timed else "is at work, or in what is not known"


def _ends(wait: ThreadWait | None) -> tuple[End, ...]:
    return wait.ends if wait is not None and (wait.sleeps or wait.timed) else ()


def _held(end: End, held: Holders) -> frozenset[int] | None:
    return frozenset() if end in (OWN, INTERRUPTIBLE, PARKED, FORKED, ALARM) else held.get(end)


def _told(thread: int, op: str, site: str, wait: ThreadWait, held: Holders) -> Told:
    ends = [(end.kind, end.name, None if (pids := _held(end, held)) is None else sorted(pids)) for end in wait.ends]
    return {"thread": thread, "op": op, "site": site, "steps": wait.steps, "ends": ends}
