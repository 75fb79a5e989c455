"""What a stack dump of py-spy says of where the program itself stands: its innermost line in each thread. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

LIBRARIES = (
    "/site-packages/", "/dist-packages/", "/lib/python3", "/harness/attach/", "/harness/trace/", "<",
    "/torchinductor_",
)  # fmt: skip
# Where the standard library and its like wait for others: of the functions below the program's line these tell the most.
WAITS = (
    "/multiprocessing/", "/queue.py", "/threading.py", "/concurrent/futures/", "/subprocess.py", "/asyncio/", "/zmq/",
    "/selectors.py", "/socket.py", "/ssl.py",
)  # fmt: skip
PROCESS = "/multiprocessing/process.py"  # it runs a process's function, in a stack that may be a forked one's
ATTACHED = "/harness/attach/"
OURS = "/harness/attach/recorded.py"  # around each call that is written down
DECORATOR = "/torch/distributed/c10d_logger.py"  # around each of torch's collectives: it tells nothing
_THREAD = re.compile(r'^Thread \S+ \(([^)]*)\)(?:: "(.*)")?$')
_FRAME = re.compile(r"^\s+(.*?) \((.*?):(\d+)\)(?:  # (.*))?$")


class Thread(NamedTuple):
    """One thread: its name, whether it holds Python's lock, and its innermost line that is no library's."""

    name: str
    holds_lock: bool
    site: str  # file:line in function; empty: none of the program's
    inside: str  # what that line calls: a library's function, and the one of those that wait in which it is; or the code
    given: bool = False  # its process runs nothing but what it was given; the line is where that was forked, of its parent


class Frame(NamedTuple):
    """One line of a stack. `code`: the line as it is written, where it is the innermost one and its file is there."""

    function: str
    file: str
    line: int
    code: str

    @property
    def is_program(self) -> bool:
        """Whether it is the program's own, and no library's."""
        return not _is_library(self.file)

    def site(self, folder: str = "") -> str:
        """`file:line in function`."""
        file = self.file.removeprefix(folder.rstrip("/") + "/") if folder else self.file
        return f"{file}:{self.line} in {self.function}"


def frames(text: str) -> list[list[Frame]]:
    """The stack of each thread, the innermost line first."""
    return [stack for _, stack in _stacks(text)]


def named_frames(text: str) -> dict[str, list[Frame]]:
    """The same by the names of threads; of those that share one the first."""
    found: dict[str, list[Frame]] = {}
    for (name, _), stack in _stacks(text):
        found.setdefault(name, stack)
    return found


def threads(text: str, folder: str = "") -> list[Thread]:
    """The threads of one process, as they are listed. `folder`: what file names are shortened by."""
    found: list[Thread] = []
    for (name, holds_lock), whole in _stacks(text):
        stack = [frame for frame in whole if not frame.file.endswith(OURS)]
        if (given := _given(name, holds_lock, stack, folder)) is not None:
            found.append(given)
            continue
        at = next((at for at, frame in enumerate(stack) if frame.is_program), None)
        site = "" if at is None else stack[at].site(folder)
        found.append(Thread(name, holds_lock, site, _inside(stack, len(stack) if at is None else at)))
    return found


def program_at(stack: list[Frame]) -> int | None:
    """The place of the innermost line of the program; where a process runs none, that below what it was given to run.

    Further below may be the stack of its parent as it was forked, which says nothing of it.
    """
    begins = (at for at, one in enumerate(stack) if one.file.endswith(PROCESS) and one.function.endswith("_bootstrap"))
    whole = stack[: next(begins, len(stack))]
    at = next((at for at, frame in enumerate(whole) if frame.is_program), None)
    if at is not None or len(whole) == len(stack):
        return at
    return next(at for at, frame in enumerate(stack) if frame.file.endswith(PROCESS))


def _given(name: str, holds_lock: bool, stack: list[Frame], folder: str) -> Thread | None:
    """The thread in which multiprocessing runs what is no line of the program; None: it is none of these."""
    at = program_at(stack)
    if at is None or not stack[at].file.endswith(PROCESS):
        return None
    inner = [frame for frame in stack[:at] if ATTACHED not in frame.file]
    line = next((frame for frame in stack[at:] if frame.is_program), None)
    return Thread(name, holds_lock, line.site(folder) if line is not None else "", _inside(inner, len(inner)), given=True)


def _stacks(text: str) -> list[tuple[tuple[str, bool], list[Frame]]]:
    """Of each thread its name, whether it holds Python's lock, and its frames."""
    found: list[tuple[tuple[str, bool], list[Frame]]] = []
    for line in text.splitlines():
        if head := _THREAD.match(line):
            found.append(((head[2] or "", "gil" in head[1]), []))
        elif found and (frame := _FRAME.match(line)):
            found[-1][1].append(Frame(frame[1], frame[2], int(frame[3]), frame[4] or ""))
    return found


def place_text(thread: Thread, call: str = "") -> str:
    """Where it stands, and in what. `call`: what the kernel says that it is in, where that is known."""
    if thread.given:
        what = thread.inside or call or "a call"
        return f"in {what}, with which it was started" + (f" at {thread.site}" if thread.site else "")
    return f"at {thread.site}" + (f", in {thread.inside}" if thread.inside else "")


def _inside(stack: list[Frame], at: int) -> str:
    """`at`: the place of the program's own line."""
    if not stack:  # a thread of a library that Python knows, and that runs no Python code
        return ""
    if at == 0:
        return f"`{stack[0].code}`" if stack[0].code else ""
    calls = next((frame.function for frame in reversed(stack[:at]) if DECORATOR not in frame.file), "")
    waits = next((frame.function for frame in reversed(stack[:at]) if any(part in frame.file for part in WAITS)), calls)
    return calls if waits == calls else f"{calls} ({waits})"


def main_thread(text: str, folder: str = "") -> Thread | None:
    """The main thread, or else the first that runs the program's own code; None where no line is the program's."""
    found = [thread for thread in threads(text, folder) if thread.site or thread.given]
    return next((thread for thread in found if thread.name == "MainThread"), found[0] if found else None)


def _is_library(file: str) -> bool:
    return any(part in file for part in LIBRARIES)
