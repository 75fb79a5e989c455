"""What a case leaves beside its verdict: event logs, stacks, dumps of other tools and what those say.

It is gathered when the verdict has been given, and each part by itself: see `session`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep.harness.channel.to_supervisor import TakeDumps, TakeStacks
from lockstep.harness.channel.to_watchdog import Delta, Dump, FlightRecord, Stacks
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.opinions import opinions
from lockstep.harness.judge.snapshot import Collected
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.trace.state import Status
from lockstep.harness.vocabulary import FindingKind
from lockstep.harness.watchdog.case_files import CaseFiles, end_of_output
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle
from lockstep.harness.watchdog.presence.clock_sync import HostClocks
from lockstep.harness.watchdog.proof import SETTLE_S
from lockstep.harness.watchdog.ranks.process_table import Process, ProcessRecord
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.stack_sampling import left_out_text, sample

STACKS_S = 30.0  # for all ranks of an engine
PROGRAM_STACKS_S = 60.0  # for all processes below all commands
RAS_FILE = "nccl-ras.json"
ListenUntil = Callable[[Callable[[], bool], float], None]  # listens until something is so, for so many seconds at most


class Evidence(ABC):
    """Of one case. What comes from supervisors is kept as it comes."""

    def __init__(self, files: CaseFiles, ranks: RankTable, clocks: HostClocks) -> None:
        self.files = files
        self._ranks = ranks
        self._clocks = clocks
        self._dumps: dict[str, bytes] = {}  # of other tools, by file name
        self._stacks: dict[tuple[bool, int], str] = {}  # whether of a rank, and which, or else of which process
        self.left_out: list[str] = []  # what supervisors could not send
        self.awaited: set[int] = set()  # supervisors that are to give stacks
        self.flights_awaited: set[Process] = set()  # processes that are to give their Flight Recorders

    def dumped(self, message: Dump) -> None:
        """What another tool gave."""
        self._dumps[message.name] = message.data
        self.files.dump(message.name, message.data)

    def flight(self, record: ProcessRecord, message: FlightRecord) -> None:
        """The Flight Recorder of a process, as it gave it itself."""
        self.flights_awaited.discard(record.process)
        if message.text and record.rank is not None:
            self.dumped(Dump(f"flight-recorder-rank-{record.rank}.json", message.text.encode()))

    def stacks(self, record: ProcessRecord | None, message: Stacks) -> None:
        """The stacks of a process, which may be none that has a ring."""
        name = f"process-{message.pid}" if record is None or record.rank is None else f"rank-{record.rank}"
        ranked = record is not None and record.rank is not None
        self._stacks[ranked, record.rank if record and record.rank is not None else message.pid] = message.text
        self.files.stacks(name, message.text, message.error)

    def collected(self) -> Collected:
        """What there is of it by now, as the judge takes it."""
        commands = Counter(record.process[0] for _, record in self._ranks)
        failed = sorted(number for number, command in self._ranks.processes.commands.items() if command.exit_code)
        return Collected(
            shared={rank for rank, record in self._ranks if commands[record.process[0]] > 1},
            stacks={number: text for (ranked, number), text in self._stacks.items() if ranked},
            others={number: text for (ranked, number), text in self._stacks.items() if not ranked},
            output={
                rank: end_of_output(self.files.folder, record.process[0])
                for rank, record in self._ranks.everybody().items()
                if record.state.status is Status.DEAD and self._prints_alone(record)
            },
            command=end_of_output(self.files.folder, failed[0]) if failed else "",
            flights={rank: dump for rank, _ in self._ranks if (dump := self._flight_of(rank))},
            folder=str(Path.cwd()),
        )

    def with_opinions(self, verdict: Verdict) -> Verdict:
        """With what the dumps of other tools say."""
        status = read_json(self._dumps.get(RAS_FILE, b""))
        said = opinions(status, self.collected().flights, self._by_pid(), verdict.blame)
        return replace(verdict, findings=(*verdict.findings, *said))

    def _flight_of(self, rank: int) -> Mapping[str, Any]:
        name = f"flight-recorder-rank-{rank}"
        raw = self._dumps.get(f"{name}.pickle")
        return read_json(self._dumps.get(f"{name}.json", b"")) if raw is None else read_pickle(raw)

    def _by_pid(self) -> dict[int, int]:
        """Ranks by process. Processes of several hosts may have one number: those are left out."""
        pids = Counter(record.pid for _, record in self._ranks)
        return {record.pid: rank for rank, record in self._ranks if pids[record.pid] == 1}

    def complete(self, verdict: Verdict) -> Verdict:
        """With what is known of the ranks only when all have ended."""
        peaks = {rank: record.peak_bytes for rank, record in self._ranks}
        ends = [replace(end, host_memory_bytes=peaks.get(end.rank)) for end in verdict.ranks]
        lost = [Finding(FindingKind.EVIDENCE_LOST, text) for text in self.left_out]
        return replace(verdict, ranks=tuple(ends), findings=(*verdict.findings, *lost))

    @abstractmethod
    def _prints_alone(self, record: ProcessRecord) -> bool:
        """Whether what is printed where a rank prints is the rank's own."""

    @abstractmethod
    def grew(self, record: ProcessRecord, delta: Delta) -> None:
        """New events of a process have been folded in."""

    @abstractmethod
    def write_events(self) -> None:
        """Complete the event logs."""

    @abstractmethod
    def collect(self, end: Head, verdict: Verdict, listen_until: ListenUntil) -> None:
        """Ask for the stacks of all that hangs, and for the dumps of other tools."""


class EngineEvidence(Evidence):
    """Of ranks that are numbered from the start: their events are written as they come."""

    def _prints_alone(self, record: ProcessRecord) -> bool:
        """Each has its own file."""
        return True

    def grew(self, record: ProcessRecord, delta: Delta) -> None:
        """Appended, by the clock as it is known now."""
        rank = record.process[0]
        self.files.delta(rank, self._ranks.processes.supervisors, self._clocks.wall_ns(rank), delta)

    def write_events(self) -> None:
        """All are there; the clocks of their hosts are known better by now."""
        for rank, _ in self._ranks:
            self.files.clock(rank, self._clocks.wall_ns(rank))

    def collect(self, end: Head, verdict: Verdict, listen_until: ListenUntil) -> None:
        """Where ranks are many, the stacks of some."""
        alive = [rank for rank, record in self._ranks if record.exit_code is None]
        chosen = sample(self._ranks.states(), alive, verdict.blame.ranks if verdict.blame else ())
        self.files.stacks_left_out(left_out_text(alive, chosen))
        self.awaited = set(chosen)
        end.send_to(chosen, TakeStacks())
        listen_until(lambda: not self.awaited, STACKS_S)


class ProgramEvidence(Evidence):
    """Of processes of which nobody knows before the end which rank each is."""

    def _prints_alone(self, record: ProcessRecord) -> bool:
        """If it is what was launched: what is printed below one that starts ranks may be of any of them."""
        command = self._ranks.processes.commands.get(record.process[0])
        return command is not None and record.pid == command.pid

    def grew(self, record: ProcessRecord, delta: Delta) -> None:
        """Kept in memory: which file they belong to is not known for certain yet."""

    def write_events(self) -> None:
        """The event log of each rank that came. One that never came has none."""
        world = len(self._ranks.everybody())
        for rank, record in self._ranks:
            wall_ns = self._clocks.wall_ns(record.process[0])
            self.files.events(rank, world, wall_ns, bytes(record.records), record.strings, record.state.lost)

    def collect(self, end: Head, verdict: Verdict, listen_until: ListenUntil) -> None:
        """Of all Python processes below the commands; ranks give their Flight Recorders themselves."""
        records = self._ranks.processes.records.values()
        self.flights_awaited = {one.process for one in records if one.alive and one.rank is not None}
        end.send_all(TakeDumps())
        listen_until(lambda: not self.flights_awaited, SETTLE_S * 2)
        self.awaited = set(self._ranks.processes.commands)
        end.send_all(TakeStacks())
        listen_until(lambda: not self.awaited, PROGRAM_STACKS_S)
