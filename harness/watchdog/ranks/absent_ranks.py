"""Ranks of a program that communicators name and that never joined. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Mapping

from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.watchdog.ranks.claims import Claims
from lockstep.harness.watchdog.ranks.communicators import Communicators
from lockstep.harness.watchdog.ranks.process_table import ENGINE, ProcessRecord, ProcessTable


class AbsentRanks:
    """Those whom `ranks` lacks."""

    def __init__(
        self, ranks: Mapping[int, ProcessRecord], processes: ProcessTable, comms: Communicators, claims: Claims
    ) -> None:
        self._ranks = ranks
        self._processes = processes
        self._comms = comms
        self._claims = claims
        self.port = -1  # at which ranks of the command meet, and which nobody else was told

    def records(self) -> dict[int, ProcessRecord]:
        """A record for each, as of one that has ended; none where they may be started by others than the command."""
        if any(self._open_to_others(record) for record in self._ranks.values()):
            return {}
        named = {member for members in self._comms.members.values() for member in members}
        return {rank: self._unborn(rank) for rank in named - set(self._ranks)}

    def _open_to_others(self, record: ProcessRecord) -> bool:
        """Whether its world is larger than what was launched or has come, and its place was not made for this command."""
        if not record.state.joins:
            return False
        last = record.state.joins[-1]
        kind, _, place = last.scope.partition(" ")
        here = max(len(self._ranks), self._processes.supervisors)
        return kind == "torch" and place.partition(" ")[0] != str(self.port) and last.world > here

    def _unborn(self, rank: int) -> ProcessRecord:
        """A rank that never joined. Of several commands each is told the rank whose number it has: how that one ended."""
        state = RankState(rank, status=Status.DEAD, gone=True, rank_of=self._claims.rank_of)
        record = ProcessRecord(state, rank=rank)
        command = self._processes.commands.get(rank) if self._processes.supervisors > 1 else None
        if command is not None and all(one.process[0] != rank for one in self._ranks.values()):
            record = ProcessRecord(state, command.host, command.pid, (rank, ENGINE), rank, exit_code=command.exit_code)
            record.ended_s, record.ended_ns = command.ended_s, command.ended_ns
        return record
