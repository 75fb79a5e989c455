"""The event log: a rank's events on disk, appended as they are read from the ring. Standard library only.

A log is a header and then frames. A frame holds what one read of the ring brought: new strings, raw 64-byte records
and how many records were overwritten before. It stands there whole or not at all: its size and checksum come first, so
that a reader stops at a tail that was torn by a kill or a full disk.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from lockstep.harness.regular_file import opened, read
from lockstep.harness.trace.event import RECORD, Kind, Need, Record
from lockstep.harness.trace.state import CommInfo

MAGIC = b"LOCKLOG\n"
VERSION = 1
HEADER = struct.Struct("<8sIiIq")  # magic, version, rank, world, CLOCK_REALTIME - CLOCK_MONOTONIC in ns (0: not known)
FRAME = struct.Struct("<II")  # bytes of the body, crc32 of the body
BODY = struct.Struct("<QI")  # records lost before this frame, number of strings; then strings, then records
STRING_HEAD = struct.Struct("<I")
MOST_BYTES = 4 << 30  # of a log that is read: 67 million events
RECORD_KIND = 8  # where in a record its kind stands; all kinds are below 256
KINDS = {kind.value: kind.name.lower() for kind in Kind}
NEEDS = {need.value: need.name.lower() for need in Need}
WAITS = (Kind.ENTER, Kind.EXIT, Kind.POST)


class LogHeader(NamedTuple):
    """Whose log it is, and what to add to its times to get wall-clock time."""

    version: int
    rank: int
    world: int
    clock_offset_ns: int


class EventLogWriter:
    """Writes one rank's log. A log that already stands at `path` is replaced, or with `resume` goes on."""

    def __init__(self, path: Path, rank: int, world: int = 0, clock_offset_ns: int = 0, resume: bool = False) -> None:
        # Unbuffered: what was appended survives a SIGKILL of this process.
        flags = os.O_RDWR if resume else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._file = os.fdopen(opened(path, flags), "r+b" if resume else "wb", buffering=0)
        self._rank, self._world = rank, world
        if resume:
            self._file.seek(0, os.SEEK_END)
            return
        _write(self._file.fileno(), HEADER.pack(MAGIC, VERSION, rank, world, clock_offset_ns))

    def append(self, records: bytes, strings: tuple[str, ...] = (), lost: int = 0) -> None:
        """Append what one read of the ring brought."""
        if len(records) % RECORD.size:
            raise ValueError(f"{len(records)} bytes are no whole number of {RECORD.size}-byte records")
        if not (records or strings or lost):
            return
        parts = [BODY.pack(lost, len(strings))]
        for text in strings:
            raw = text.encode("utf-8", "replace")
            parts += (STRING_HEAD.pack(len(raw)), raw)
        body = b"".join((*parts, records))
        _write(self._file.fileno(), FRAME.pack(len(body), zlib.crc32(body)) + body)

    def clock(self, offset_ns: int) -> None:
        """Set the clock offset, which is known only when the engine has attached to its ring."""
        os.pwrite(self._file.fileno(), HEADER.pack(MAGIC, VERSION, self._rank, self._world, offset_ns), 0)

    def close(self) -> None:
        """Close the file; safe to call again."""
        self._file.close()

    def __enter__(self) -> EventLogWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def read_header(path: Path) -> LogHeader | None:
    """The header; None when the writer was killed before it was written. ValueError when it is no event log."""
    with os.fdopen(opened(path), "rb") as file:
        return _header(path, file.read(HEADER.size))


def began_ns(path: Path) -> int:
    """When the first event of a log was written, by its host's CLOCK_MONOTONIC; 0 without events."""
    for body in _bodies(memoryview(read(path, MOST_BYTES))):
        _, count = BODY.unpack_from(body, 0)
        at = BODY.size
        for _ in range(count):
            at += STRING_HEAD.size + STRING_HEAD.unpack_from(body, at)[0]
        if at + RECORD.size <= len(body):
            return Record._make(RECORD.unpack_from(body, at)).time_ns
    return 0


def read_log(path: Path) -> tuple[bytes, list[str], int]:
    """All records, the string table and the number of lost records. A torn tail ends the log; it is no error."""
    raw = read(path, MOST_BYTES)
    records: list[bytes] = []
    strings: list[str] = []
    lost = 0
    if _header(path, raw[: HEADER.size]) is None:
        return b"", strings, lost
    for body in _bodies(memoryview(raw)):
        missed, count = BODY.unpack_from(body, 0)
        at = BODY.size
        for _ in range(count):
            (size,) = STRING_HEAD.unpack_from(body, at)
            at += STRING_HEAD.size
            strings.append(str(body[at : at + size], "utf-8", "replace"))
            at += size
        records.append(bytes(body[at:]))
        lost += missed
    return b"".join(records), strings, lost


def describe(path: Path, last: int | None = None) -> Iterator[dict[str, object]]:
    """The events of a log for people and data frames, one flat dict each, in order.

    `time_s` counts from the first event. `comm` is the communicator's key, as in a verdict's knot, `name` what its sentence
    calls it; `peer` is a global rank. What an event does not have is None. `last`: only so many, from the end.
    """
    records, strings, _ = read_log(path)

    def string(ident: int) -> str:
        return strings[ident] if ident < len(strings) else "<string lost>"

    comms: dict[int, CommInfo] = {}
    phase = shape = ""
    first_ns: int | None = None
    count = len(records) // RECORD.size
    left_out = 0 if last is None else max(0, count - last)
    for at in (*_bearing(records, left_out), *range(left_out, count)):
        record = Record._make(RECORD.unpack_from(records, at * RECORD.size))
        first_ns = record.time_ns if first_ns is None else first_ns
        if record.kind == Kind.COMM:
            comms[record.comm] = CommInfo.parse(string(record.a))
        elif record.kind == Kind.PHASE:
            phase, shape = string(record.a), ""
        elif record.kind == Kind.SHAPE:
            shape = string(record.a)
        if at < left_out:
            continue
        info = comms.get(record.comm)
        waits = record.kind in WAITS
        works = waits or record.kind == Kind.LAUNCH
        named = info if works or record.kind == Kind.COMM else None
        enters = waits and record.kind != Kind.EXIT
        names_peer = enters and record.b != Need.HOLDERS
        yield {
            "number": record.number,
            "time_s": (record.time_ns - first_ns) / 1e9,
            "kind": _word(record.kind),
            "thread": record.thread,
            "phase": phase,
            "shape": shape,
            "comm": named.key if named else None,
            "name": f"{named.kind} {named.name}" if named else None,
            "op": _launched(record, string) if record.kind == Kind.LAUNCH else string(record.a) if waits else None,
            "seq": record.seq if works else None,
            "need": NEEDS.get(record.b) if enters else None,
            "peer": info.members[record.c] if names_peer and info and 0 <= record.c < len(info.members) else None,
            "tag": record.tag if enters else None,
            "size": record.size if enters else None,
            "site": string(record.site) if enters and record.site else None,
            "text": _text(record, string, info),
        }


def _launched(record: Record, string: Callable[[int], str]) -> str:
    """What was handed to a device: a collective, or a graph's share of this communicator."""
    if not record.c:
        return string(record.a)
    try:
        graph = json.loads(string(record.a))["graph"]
    except (ValueError, LookupError, TypeError):
        graph = "?"
    return f"graph {graph}, {record.c} collectives"


def _bearing(records: bytes, count: int) -> list[int]:
    """Of the first records those by which later ones are understood: the first, communicators, the last phase and shape.

    Found by the bytes that hold their kinds, since a log may have millions.
    """
    kinds = records[RECORD_KIND : count * RECORD.size : RECORD.size]
    found = {0, kinds.rfind(bytes((Kind.PHASE,))), kinds.rfind(bytes((Kind.SHAPE,)))} if count else set()
    at = kinds.find(bytes((Kind.COMM,)))
    while at >= 0:
        found.add(at)
        at = kinds.find(bytes((Kind.COMM,)), at + 1)
    return sorted(found - {-1})


def _text(record: Record, string: Callable[[int], str], info: CommInfo | None) -> str | None:
    """What an event says beyond its columns."""
    if record.kind == Kind.DECISION:
        detail = f" ({string(record.size)})" if string(record.size) else ""
        return f"{string(record.a)} {string(record.b)}: {string(record.c)}{detail}" + ", deviates" * bool(record.seq)
    if record.kind in (Kind.RAISED, Kind.ERROR):
        return f"{string(record.a)}: {string(record.b)}"
    if record.kind == Kind.COMM and info:
        return "members " + ",".join(map(str, info.members))
    if record.kind == Kind.ABORT:
        return f"code {record.a}"
    if record.kind in (Kind.PHASE, Kind.SHAPE, Kind.MILESTONE, Kind.WAITER, Kind.RESULT, Kind.JOIN, Kind.OPAQUE):
        return string(record.a)
    return None


def _word(kind: int) -> str:
    """The event kind in lower case; its number when this version does not know it."""
    return KINDS.get(kind) or str(kind)


def _header(path: Path, raw: bytes) -> LogHeader | None:
    if len(raw) < HEADER.size:
        if not (MAGIC.startswith(raw) or raw.startswith(MAGIC)):
            raise ValueError(f"{path} is no event log")
        return None
    magic, version, rank, world, offset = HEADER.unpack(raw)
    if magic != MAGIC:
        raise ValueError(f"{path} is no event log")
    if version != VERSION:
        raise ValueError(f"{path} is an event log of version {version}, this lockstep reads version {VERSION}")
    return LogHeader(version, rank, world, offset)


def _bodies(raw: memoryview) -> Iterator[memoryview]:
    at = HEADER.size
    while at + FRAME.size <= len(raw):
        size, checksum = FRAME.unpack_from(raw, at)
        body = raw[at + FRAME.size : at + FRAME.size + size]
        if len(body) < size or size < BODY.size or zlib.crc32(body) != checksum:
            return
        yield body
        at += FRAME.size + size


def _write(fd: int, raw: bytes) -> None:
    """All of it: one write may be short on a full disk or a signal."""
    rest = memoryview(raw)
    while rest:
        rest = rest[os.write(fd, rest) :]
