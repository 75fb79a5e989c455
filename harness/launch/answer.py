"""What a host says of itself: `python -m lockstep.harness.launch.answer`, started on each host of a run by its launcher.

The answer is one marked line within whatever a launcher prints, short enough to come in one piece.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sys
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from lockstep.harness.launch.check import Check
from lockstep.harness.launch.probe import checks, facts
from lockstep.harness.launch.trials import trials

LINE = re.compile(rb"LOCKSTEP-HOST:([A-Za-z0-9+/=]+):([0-9a-f]{8})\n")
PATIENCE_S = 60  # then it ends by itself, whoever has forgotten it
TRIALS_S = 150  # the same where things are tried
TRY = "try"
OF_A_LAUNCHER = ("PMI_", "PMIX_", "PRTE_", "OMPI_", "HYDI_", "MPI_LOCAL")


@dataclass(frozen=True, slots=True)
class Answer:
    """The facts of a host, and the checks of `doctor` there."""

    facts: dict[str, Any]
    checks: tuple[Check, ...]


def line(answer: Answer) -> bytes:
    """As it is printed, between line ends."""
    packed = base64.b64encode(zlib.compress(json.dumps(asdict(answer)).encode()))
    return b"\nLOCKSTEP-HOST:%s:%08x\n" % (packed, zlib.crc32(packed))


def find(output: bytes) -> Answer | None:
    """The answer within a launcher's output; None when there is none, or a part of it only."""
    for found in LINE.finditer(output):
        if zlib.crc32(found[1]) == int(found[2], 16):
            raw = json.loads(zlib.decompress(base64.b64decode(found[1])))
            return Answer(raw["facts"], tuple(Check(**one) for one in raw["checks"]))
    return None


def main(*words: str) -> None:
    """Look, try things where `doctor` asks, and answer."""
    tries = TRY in words
    signal.alarm(TRIALS_S if tries else PATIENCE_S)
    for name in [name for name in os.environ if tries and name.startswith(OF_A_LAUNCHER)]:
        del os.environ[name]  # else the ranks of a trial would take themselves for those of the job that this is
    os.write(1, line(Answer(facts(), (*checks(), *(trials() if tries else ())))))


if __name__ == "__main__":
    main(*sys.argv[1:])
