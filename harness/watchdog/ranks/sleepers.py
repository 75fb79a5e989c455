"""Who sleeps in a wait that is no operation of a communicator, and who could wake it: ranks, and processes that are none.

As supervisors tell it when they are asked, from what the kernel knows. No sockets, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lockstep.harness.channel.to_watchdog import Around
from lockstep.harness.judge.kernel_calls import Program
from lockstep.harness.judge.lacking import Holders
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import PIDS, PROCESS, STORES
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord, ProcessTable, Sleeper

OWN = "own "  # so begins an end at which only other threads of the same process can act
INTERRUPTIBLE = "interruptible "  # ... or Ctrl-C, which somebody outside may send
PARKED = "parked "  # ... and which the process may well wait for
SEMAPHORES = ("semaphore ", "named semaphore ")  # ... at which any process of the job can that has inherited it
NAMED = "named semaphore "  # ... and anybody who was told its name
FORKED = "forked "  # so begins an end at which a signal acts that somebody outside may send
ALARM = "alarm "  # so begins an end at which an alarm acts that the process may have
STORE = "store "  # so begins the end that a key of a store is waited for at; of a TCPStore the port of its server comes next
FILE_STORE, HASH_STORE = f"{STORE}FileStore ", f"{STORE}HashStore "  # ... of a FileStore its path, or a process's number
SERVER = "TCPStore server "  # so is called what a thread does that serves one; its port comes next
BESIDE = -2  # the number of a process that has not come, among its supervisor's


@dataclass(slots=True)
class Sleepers:
    """`beside`: the processes that are no ranks, by numbers above those of all ranks."""

    processes: ProcessTable
    ranks: Mapping[int, ProcessRecord]
    beside: dict[int, ProcessRecord] = field(default_factory=dict)
    programs: dict[int, Program] = field(default_factory=dict)  # what those run, by the same numbers
    _hosts: list[str] = field(default_factory=list)
    _looked: dict[int, int] = field(default_factory=dict)  # by supervisor: the last epoch in which it told

    def take(self, number: int, message: Around) -> None:
        """What a supervisor has seen of the processes below it that did not answer themselves."""
        host = self.processes.commands[number].host
        self._looked[number] = message.epoch
        seen: set[int] = set()
        for text in message.processes:
            told = _read(text)
            if told is None:
                continue
            node = self.number(host, told["pid"])
            seen.add(node)
            fd = told.get("fd")
            self.programs[node] = Program(str(told.get("name", "?")), fd if isinstance(fd, int) else -1, host)
            state = RankState(node, number=1)
            record = self.beside.setdefault(node, ProcessRecord(state, host, told["pid"], (number, BESIDE)))
            record.sleepers = tuple(sleeper for one in told["threads"] if (sleeper := Sleeper.read(one, host)) is not None)
            record.sleepers_at, record.confirmed, record.doubts = 1, message.epoch, tuple(map(str, told["doubts"]))
            turning = told.get("turning")
            record.turning.take(
                turning if isinstance(turning, list) else (), 1, () if told.get("waits") else ("it is at work",)
            )
        for node, record in self.beside.items():
            if record.process[0] == number and node not in seen:
                record.sleepers = None  # it has ended

    def number(self, host: str, pid: int) -> int:
        """Of a process that is no rank."""
        if host not in self._hosts:
            self._hosts.append(host)
        return PROCESS + self._hosts.index(host) * PIDS + pid

    def of_supervisor(self, number: int, pid: int) -> int:
        """The number of a process below a supervisor."""
        return self.number(self.processes.commands[number].host, pid)

    def looked(self, epoch: int) -> bool:
        """Whether all supervisors have told of theirs."""
        return all(self._looked.get(number, -1) >= epoch for number in self.processes.commands)

    def states(self, states: Mapping[int, RankState]) -> dict[int, RankState]:
        """Those of ranks, with the waits that they sleep in, and those of the other processes that sleep."""
        told = {rank: _asleep(state, self.ranks[rank]) if rank in self.ranks else state for rank, state in states.items()}
        at_rest = {node: one for node, one in self.beside.items() if one.at_rest}
        return told | {node: _asleep(record.state, record) for node, record in at_rest.items()}

    def restless(self) -> dict[int, str]:
        """The processes that are no ranks, by id, that may be awake: why."""
        return {one.pid: one.doubts[0] for one in self.beside.values() if one.sleepers is not None and one.doubts}

    def overseers(self) -> dict[int, ProcessRecord | None]:
        """The processes, by id, that have started ranks and may end them by themselves; with what is known of each."""
        ranks = {(record.host, record.pid) for record in self.ranks.values()}
        found = [(number, pid) for number, one in self.processes.commands.items() for pid in one.overseers]
        return {
            pid: self.beside.get(self.of_supervisor(number, pid))
            for number, pid in found
            if (self.processes.commands[number].host, pid) not in ranks
        }

    def holders(self, surely: bool = False) -> Holders:
        """Of each end that somebody sleeps for, those that could act on it, as far as all of them are known.

        `surely`: without ends at which somebody from outside of the job could, who need not be seen now.
        """
        numbers: dict[tuple[str, int], int] = {}
        for rank, record in self.ranks.items():
            # One whose program has ended may still write what is left: it is a process like any other.
            if record.alive and record.state.status is Status.RUNNING:
                numbers[record.host, record.pid] = rank
        found: dict[str, set[int] | None] = {}
        anybody = {self._node(self.processes.commands[number].host, pid, numbers) for number, pid in self.processes.living()}
        for record in (*self.ranks.values(), *self.beside.values()):
            for sleeper in record.sleepers or () if record.at_rest else ():
                for name, pids in sleeper.ends:
                    known = found.setdefault(name, set())
                    if pids is None or known is None or (surely and name.startswith((NAMED, FORKED, ALARM))):
                        found[name] = None
                    else:
                        known |= {self._node(record.host, pid, numbers) for pid in pids}
                        known |= anybody if name.startswith(SEMAPHORES) else set()
        complete: dict[str, set[int]] = {name: held for name, held in found.items() if held is not None}
        return complete if surely else complete | dict.fromkeys(self._quiet_stores(), anybody) | self._own_stores(anybody)

    def assumed(self, ends: Collection[str], communicates: bool = True) -> list[str]:
        """What a knot rests on that sleeps for these ends, and that could not be seen.

        `communicates`: a rank is in it in a communicator.
        """
        found: set[str] = set()
        if any(end.startswith(NAMED) for end in ends):
            found.add("a semaphore of multiprocessing has a name, by which others could open it")
        if any(end.startswith(STORE) for end in ends):
            found.add("others could come to a store, a TCPStore or a file, and set a key")
        if any(end.startswith(FORKED) for end in ends):
            found.add("a process that a rank has forked has handlers of signals, most likely those of the rank's libraries")
        if any(end.startswith(ALARM) for end in ends):
            found.add("a process in which there is no recorder may have an alarm under way, which would end it")
        if not communicates and any(end.startswith(INTERRUPTIBLE) for end in ends):
            found.add("Ctrl-C could wake a main thread that waits for its own process")
        if communicates:
            text = "which has started ranks, turns in a loop, and could end those that have waited for long"
            found |= {f"process {pid}, {text}" for pid in self.overseers()}
        return sorted(found)

    def _quiet_stores(self) -> set[str]:
        """The TCPStores that somebody waits for and whose servers sleep: any process of the job may set a key there."""
        at_rest = [record for record in self.ranks.values() if record.at_rest]
        told = [(record, one) for record in at_rest for one in record.sleepers or () if one.op.startswith(STORES)]
        if any((one.thread, one.steps) not in record.steady for record, one in told):
            return set()  # something may be under way
        servers = [one.op.removeprefix(SERVER) for _, one in told if one.op.startswith(SERVER)]
        return {f"{STORE}{port}" for port in servers if servers.count(port) == 1}

    def _own_stores(self, anybody: set[int]) -> dict[str, set[int]]:
        """The stores without a server that somebody waits for: who could set a key there."""
        waits = [(rank, wait.end) for rank, one in self.ranks.items() if one.at_rest for _, wait in one.state.waits()]
        files = {end: anybody for _, end in waits if end.startswith(FILE_STORE)}
        return files | {end: {rank} for rank, end in waits if end.startswith(HASH_STORE)}

    def _node(self, host: str, pid: int, numbers: Mapping[tuple[str, int], int]) -> int:
        return numbers[host, pid] if (host, pid) in numbers else self.number(host, pid)


def _asleep(state: RankState, record: ProcessRecord) -> RankState:
    """The same rank, whose threads outside of recorded operations are in the waits that they sleep in."""
    if not record.at_rest or record.sleepers is None or state.status is not Status.RUNNING:
        return state
    told = {sleeper.thread for sleeper in record.sleepers}
    asleep = {thread for kernel, thread in state.kernel_ids.items() if kernel in told}
    waits = {thread: wait for thread, wait in state.waiters.items() if wait is not None or thread not in asleep}
    first = max(state.waiters, default=0) + 1
    waits |= {first + at: sleeper.wait(state.rank) for at, sleeper in enumerate(record.sleepers)}
    return replace(state, waiters=waits) if waits else state


def _read(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
        whole = isinstance(told["pid"], int) and all(isinstance(told[key], list) for key in ("threads", "doubts"))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return told if whole and 0 < told["pid"] < PIDS else None
