"""Changes of an input: of its bytes, of its parts, and of two inputs together. The same draw gives the same input."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

LONGEST = 1 << 16  # bytes of an input: what a reader does with more is a question of budgets, which have tests of their own
# What stands at the edge of what a reader may expect: of YAML, JSON, pickles, host lists, frames.
PARTS = [
    b"null", b"[]", b"{}", b"-1", b"0", b"1e309", b".inf", b".nan", b"99999999999999999999", b"true", b'""', b"'", b"!!int",
    b"&a", b"*a", b"<<", b"---\n", b"\n", b"\t", b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x1b[2J", b"\\u0000",
    b"\\ud800", b"[[[[[[[[", b"{{{{", b"]]]]", b": ", b"- ", b"# ", b"%", b"1-99999999", b"..", b"/", b"~",
    b"\x80\x04", b"\x94", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xc9\x7f\xff\xff\xff", b"2026-13-45",
]  # fmt: skip
_TOKEN = re.compile(rb"[A-Za-z0-9_.]+|\s+|.", re.DOTALL)


def changed(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """The input with one to six changes, mostly one; `other`: one to take parts of."""
    for _ in range(draw.choice((1, 1, 1, 1, 2, 3, 6))):
        raw = draw.choice(CHANGES)(draw, raw, other)[:LONGEST]
    return raw


def _byte(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """A few bytes are others, or gone, or there besides."""
    at = draw.randrange(len(raw) + 1)
    return raw[:at] + draw.randbytes(draw.randint(0, 3)) + raw[at + draw.randint(0, 3) :]


def _bit(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """One bit is turned."""
    if not raw:
        return raw
    at = draw.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1 :]


def _part(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """A part from the edge, in the place of a word or beside it."""
    tokens = _TOKEN.findall(raw)
    if not tokens:
        return draw.choice(PARTS)
    at = draw.randrange(len(tokens))
    tokens[at : at + draw.randint(0, 1)] = [draw.choice(PARTS)]
    return b"".join(tokens)


def _moved(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """A stretch stands elsewhere too, or many times."""
    start, end = sorted((draw.randrange(len(raw) + 1), draw.randrange(len(raw) + 1)))
    at = draw.randrange(len(raw) + 1)
    return raw[:at] + raw[start:end][:4096] * draw.choice((1, 1, 2, 40)) + raw[at:]


def _spliced(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of another."""
    return raw[: draw.randrange(len(raw) + 1)] + other[draw.randrange(len(other) + 1) :]


def _cut(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """It ends before its end."""
    return raw[: draw.randrange(len(raw) + 1)]


def _lines(draw: random.Random, raw: bytes, other: bytes) -> bytes:
    """A line is gone, or there twice, or one of another input."""
    lines, more = raw.splitlines(True), other.splitlines(True)
    if not lines:
        return raw
    at = draw.randrange(len(lines))
    lines[at : at + draw.randint(0, 1)] = draw.choice(([], [lines[at]] * 2, [draw.choice(more)] if more else []))
    return b"".join(lines)


CHANGES: Sequence[Callable[[random.Random, bytes, bytes], bytes]] = (
    _byte,
    _bit,
    _part,
    _part,
    _moved,
    _spliced,
    _cut,
    _lines,
)
