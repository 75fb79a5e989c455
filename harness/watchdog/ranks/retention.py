"""How much of each rank's events the watchdog keeps in memory: all of them are on disk. No sockets, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.harness.trace.event import RECORD

CASE_BYTES = 4 << 30  # of all ranks of a case together
RANK_BYTES = 64 << 20  # of one rank at most: a million events
LEAST_BYTES = 1024 * RECORD.size


@dataclass(frozen=True, slots=True)
class Retention:
    """The first events, which tell how a rank parted from its peers, and the last, which tell what it does now."""

    head: int  # bytes
    tail: int

    @staticmethod
    def of(ranks: int, case_bytes: int = CASE_BYTES) -> Retention:
        """What each of so many ranks may keep, that all together stay within `case_bytes`, down to a least for each."""
        each = max(LEAST_BYTES, min(RANK_BYTES, case_bytes // max(1, ranks)))
        quarter = each // 4 // RECORD.size * RECORD.size
        return Retention(2 * quarter, quarter)

    @property
    def most(self) -> int:
        """Bytes that one rank has in memory at most, after `trim`."""
        return self.head + 2 * self.tail

    def trim(self, records: bytearray) -> None:
        """Drop the middle when there is too much. The numbers of the events around it tell how many are missing."""
        if len(records) > self.most:
            del records[self.head : len(records) - self.tail]


EACH = Retention.of(1)
