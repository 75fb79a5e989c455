"""The search: inputs that were answered in a new way are changed further; one that breaks its reader is kept.

A new way is another error at another place, or another amount of what was read: what coverage would tell, for nothing.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzz.mutation import changed
from benchmarks.fuzz.targets import Target

SECONDS = 5  # of CPU time for one input
KEPT = 400  # inputs that are changed further


class TooSlowError(Exception):
    """An input took longer than a reader may think."""


@dataclass(slots=True)
class Found:
    """What came of one target."""

    name: str
    inputs: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    broken: dict[str, bytes] = field(default_factory=dict)  # how -> the first such input


def answer(target: Target, raw: bytes, folder: Path) -> tuple[str, str]:
    """How the reader answers: a word for the way, and what broke it (empty: nothing did)."""
    try:
        with _limited():
            read = target.read(raw, folder)
    except target.refuses as error:
        return f"{type(error).__name__} {_shape(str(error))}", ""
    except (Exception, TooSlowError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "", f"{type(error).__name__} at {Path(last.filename).name}:{last.name}"
    return f"read {len(repr(read)[:4096]) // 64}", ""


def search(target: Target, seed: str, seconds: float, most: int | None = None) -> Found:
    """Change inputs for so many seconds, or `most` of them."""
    draw, found = random.Random(f"{target.name} {seed}"), Found(target.name)
    kept, ways = list(target.seeds), set()
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until and (most is None or found.inputs < most):
            # Half begin with a good one: what is refused in a new way leads to more of its kind.
            raw = changed(draw, draw.choice(target.seeds if draw.random() < 0.5 else kept), draw.choice(kept))
            began = time.thread_time()
            way, broken = answer(target, raw, Path(folder))
            found.slowest_s = max(found.slowest_s, time.thread_time() - began)
            found.inputs += 1
            found.refused += not way.startswith("read ")
            if broken:
                found.broken.setdefault(broken, raw)
            elif way not in ways:
                ways.add(way)
                kept.append(raw)
                if len(kept) > KEPT:
                    kept.pop(draw.randrange(len(target.seeds), len(kept)))
    return found


def _shape(text: str) -> int:
    """A sentence without its figures and quoted words, as a number."""
    return zlib.crc32("".join(letter for letter in text[:200] if letter.isalpha()).encode("utf-8", "replace")) % 997


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TooSlowError in the main thread when CPU time is over."""

    def over(signum: int, frame: object) -> None:
        raise TooSlowError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
