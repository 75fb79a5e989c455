"""What a host sees of a job: `python -m lockstep.harness.inspection.answer`, started there by a launcher; or seen here.

The answer is in numbered lines within whatever a launcher prints, each short enough to come in one piece.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import signal
import sys
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lockstep.harness.inspection.look import HostLook, look
from lockstep.harness.inspection.process import read
from lockstep.harness.inspection.processes import NotFoundError, Table
from lockstep.harness.interpreter import python_module
from lockstep.harness.judge.observation import from_json
from lockstep.harness.launch.survey import Question

LINE = re.compile(rb"LOCKSTEP-SEEN:(\d{1,6})/(\d{1,6}):([A-Za-z0-9+/=]*):([0-9a-f]{8})\n")
PIECE = 2048
PATIENCE_S = 90  # then it ends by itself, whoever has forgotten it
LONGEST_BYTES = 64 << 20  # unpacked


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one host: what was seen, or why nothing was."""

    host: str
    error: str
    look: HostLook | None = None


def look_here(pids: Sequence[int], name: str, seconds: float) -> Answer:
    """What this host sees."""
    try:
        job = Table(read(), os.getpid()).job(pids, name)
    except NotFoundError as error:
        return Answer(os.uname().nodename, str(error))
    return Answer(os.uname().nodename, "", look(job, seconds))


def question(name: str, seconds: float) -> Question[Answer]:
    """What hosts are asked. It is packed: shells on the way take nothing of it for their own."""
    packed = base64.b64encode(json.dumps([name, seconds]).encode()).decode()
    return Question(python_module("lockstep.harness.inspection.answer", packed), find, PATIENCE_S)


def lines(answer: Answer) -> bytes:
    """As it is printed."""
    packed = base64.b64encode(zlib.compress(json.dumps(asdict(answer)).encode()))
    pieces = [packed[at : at + PIECE] for at in range(0, len(packed), PIECE)]
    return b"\n" + b"".join(
        b"LOCKSTEP-SEEN:%d/%d:%s:%08x\n" % (number, len(pieces), piece, zlib.crc32(piece))
        for number, piece in enumerate(pieces, start=1)
    )


def find(output: bytes) -> Answer | None:
    """The answer within a launcher's output; None when there is none, or a part of it only."""
    pieces: dict[int, bytes] = {}
    count = 0
    for found in LINE.finditer(output):
        if zlib.crc32(found[3]) == int(found[4], 16):
            pieces[int(found[1])] = found[3]
            count = int(found[2])
    if not count or set(pieces) != set(range(1, count + 1)):
        return None
    try:
        unpacked = zlib.decompressobj().decompress(
            base64.b64decode(b"".join(pieces[number] for number in range(1, count + 1))), LONGEST_BYTES
        )
        raw = json.loads(unpacked)
        seen = raw["look"]
        if seen is not None:
            observations = tuple(map(from_json, seen["seen"]))
            seen = HostLook(**{**seen, "seen": observations, "ended": tuple(seen["ended"])})
        return Answer(raw["host"], raw["error"], seen)
    except (ValueError, TypeError, LookupError, zlib.error, binascii.Error, RecursionError):
        return None


def main(packed: str) -> None:
    """Look, and answer."""
    signal.alarm(PATIENCE_S)
    name, seconds = json.loads(base64.b64decode(packed))
    rest = memoryview(lines(look_here((), name, seconds)))
    while rest:
        rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    main(sys.argv[1])
