"""What a stack dump of py-spy says of where the program itself stands: its innermost line in each thread. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python3", "/harness/attach/", "/harness/trace/", "<")
# Where the standard library and its like wait for others: of the functions below the program's line these tell the most.
WAITS = (
    "/multiprocessing/", "/queue.py", "/threading.py", "/concurrent/futures/", "/subprocess.py", "/asyncio/", "/zmq/",
    "/selectors.py", "/socket.py", "/ssl.py",
)  # fmt: skip
_THREAD = re.compile(r'^Thread \S+ \(([^)]*)\)(?:: "(.*)")?$')
_FRAME = re.compile(r"^\s+(.*?) \((.*?):(\d+)\)(?:  # (.*))?$")


class Thread(NamedTuple):
    """One thread: its name, whether it holds Python's lock, and its innermost line that is no library's."""

    name: str
    holds_lock: bool
    site: str  # file:line in function; empty: none of the program's
    inside: str  # what that line calls: a library's function, and the one of those that wait in which it is; or the code


def threads(text: str, folder: str = "") -> list[Thread]:
    """The threads of one process, as they are listed. `folder`: what file names are shortened by."""
    found: list[Thread] = []
    heads: list[tuple[str, bool]] = []
    frames: list[list[tuple[str, str, str, str]]] = []
    for line in text.splitlines():
        if head := _THREAD.match(line):
            heads.append((head[2] or "", "gil" in head[1]))
            frames.append([])
        elif frames and (frame := _FRAME.match(line)):
            frames[-1].append((frame[1], frame[2], frame[3], frame[4] or ""))
    for (name, holds_lock), stack in zip(heads, frames, strict=True):
        at = next((at for at, frame in enumerate(stack) if not _is_library(frame[1])), None)
        own = stack[at] if at is not None else None
        site = f"{own[1].removeprefix(folder.rstrip('/') + '/') if folder else own[1]}:{own[2]} in {own[0]}" if own else ""
        found.append(Thread(name, holds_lock, site, _inside(stack, len(stack) if at is None else at)))
    return found


def place_text(thread: Thread) -> str:
    """Where it stands, and in what."""
    return f"at {thread.site}" + (f", in {thread.inside}" if thread.inside else "")


def _inside(stack: list[tuple[str, str, str, str]], at: int) -> str:
    """`at`: the place of the program's own line."""
    if at == 0:
        return f"`{stack[0][3]}`" if stack[0][3] else ""
    calls = stack[at - 1][0] if stack else ""
    waits = next((frame[0] for frame in reversed(stack[:at]) if any(part in frame[1] for part in WAITS)), calls)
    return calls if waits == calls else f"{calls} ({waits})"


def main_thread(text: str, folder: str = "") -> Thread | None:
    """The main thread, or else the first that runs the program's own code; None where no line is the program's."""
    found = [thread for thread in threads(text, folder) if thread.site]
    return next((thread for thread in found if thread.name == "MainThread"), found[0] if found else None)


def _is_library(file: str) -> bool:
    return any(part in file for part in LIBRARIES)
