"""The stacks of a process, from outside: py-spy, which works while the GIL is held and while the process is stopped."""

from __future__ import annotations

import hashlib
import linecache
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from lockstep.harness.attach import natives
from lockstep.harness.host import python_lock

TIMEOUT_S = 20.0
MAIN = "MainThread"
DEEPER = " " * 8  # so the values of variables are indented, below their frame
HEAD = re.compile(r"\A(Process \d+):.*?(?=\nPython v)", re.DOTALL)  # with the command line, which may hold a secret
VERSION = "\nPython v"  # in the head of a dump, the line between the command line and the threads
CODE_CHARACTERS = 80  # of a line that is told
NO_TOOL = "py-spy is not installed: pip install py-spy"


def py_spy() -> str | None:
    """The py-spy of this environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


IN_A_CALL = "/harness/attach/recorded.py:"  # the frame of an operation that is written down
LOADER = "/harness/attach/imports.py:"  # a frame of the loader that writes down what a module does while it is loaded
COMPILED = ("_call_with_frames_removed (<frozen", "ExtensionFileLoader.exec_module (<frozen")  # what runs compiled code
ANSWERS = "/harness/attach/line.py:"  # a frame of the thread that answers the supervisor
FORKED = re.compile(
    r"    .* \(/.*/harness/supervisor/forked_rank\.py:\d+\)\n?"
)  # a frame below those of a rank that was forked
READS = "readinto ("  # it reads a question, or wants Python's lock to do something about one


class LockOwner(NamedTuple):
    """The thread that holds Python's lock, and who could go on once it lets go of it."""

    ident: int  # the kernel's id; 0: nobody holds it, or nobody can tell
    others: tuple[str, ...]  # in sentences
    waiting: tuple[int, ...] = ()  # those that cannot, since they want the lock and its owner keeps it in its wait


def lock_owner(pid: int, in_mpi: Collection[int] | None = None) -> LockOwner:
    """Who holds Python's lock in a process that does not answer, and what keeps that from saying that it stands.

    All its threads but the one that answers us must be in the library below a recorded call, and in no Python code that the
    library has called; or wait without a limit for a lock that one of them would have to release; or want Python's lock, and
    its owner is seen to keep it in such a call. `in_mpi`: where MPI is recorded in C, the threads that are in a wait there.
    """
    text, error = stacks(pid)
    owner, reader, inside, awake, threads = 0, 0, [], dict[int, str](), _threads(text)
    for ident, (name, state, frames) in threads.items():
        if any(ANSWERS in frame for frame in frames):
            reader = ident if READS in frames[0] and ANSWERS in frames[1] else reader
            continue
        if "+gil" in state:
            owner = ident
        if ident in (in_mpi or ()) or (frames and (IN_A_CALL in frames[0] or _in_init(frames))):
            inside.append((ident, state))
        elif not (_waits_for_a_lock(name, state, frames) and natives.waits_untimed(pid, ident)):
            awake[ident] = f"Python thread {name or ident} at {frames[0] if frames else 'no place'} may still communicate"
    if not owner and not awake and len(inside) == 1 and inside[0][1] == "idle":
        owner = inside[0][0]  # an owner that sleeps is not marked as one; besides, all others wait for what it would do
    waiting = _kept_from(pid, owner, reader, awake, in_mpi or ()) if owner and reader and awake else ()
    others = [sentence for ident, sentence in awake.items() if ident not in waiting]
    if not owner:
        others.append(f"Python does not answer, and no thread is seen to hold its lock{error and f' ({error})'}")
    doubts = natives.doubts_about(pid, set(threads), mpi_is_seen=in_mpi is not None)
    return LockOwner(owner, (*others, *doubts), waiting)


def _kept_from(pid: int, owner: int, reader: int, awake: Collection[int], in_mpi: Collection[int]) -> tuple[int, ...]:
    """Those of `awake` that want Python's lock, before and after a look at the call in which its owner keeps it."""
    before = python_lock.wanting(pid, reader, awake)
    text, _ = stacks(pid, native=True) if before else ("", "")
    kept = python_lock.keeper(_threads(text), IN_A_CALL, in_mpi) == owner
    return before if kept and python_lock.wanting(pid, reader, before) == before else ()


def _in_init(frames: list[str]) -> bool:
    """Whether a thread is in the code of a module that is written down while it is loaded: MPI_Init runs there.

    It is compiled code, which has called no Python: between it and our loader is only what runs such code.
    """
    inner = frames[: len(COMPILED)]
    compiled = len(inner) == len(COMPILED) and all(map(str.startswith, inner, COMPILED))
    return compiled and any(LOADER in frame for frame in frames[len(COMPILED) :][:1])


def _waits_for_a_lock(name: str, state: str, frames: list[str]) -> bool:
    """Whether a thread waits for a condition without a limit. The main thread's signal handlers run also while it does."""
    if name == MAIN or "idle" not in state or not frames:
        return False
    found = re.fullmatch(r"Condition\.wait \((.+/threading\.py):(\d+)\)(?:  # .*)?", frames[0])
    return found is not None and linecache.getline(found[1], int(found[2])).strip() == "waiter.acquire()"


def _threads(text: str) -> dict[int, tuple[str, str, list[str]]]:
    """The threads of a dump: name, state and frames, the innermost first."""
    found: dict[int, tuple[str, str, list[str]]] = {}
    frames: list[str] = []
    for line in text.splitlines():
        if head := re.match(r'Thread (\d+) \((\S+)\)(?:: "(.*)")?$', line):
            frames = []
            found[int(head[1])] = (head[3] or "", head[2], frames)
        elif line.startswith("    "):
            frames.append(line.strip())
    return found


def stacks(pid: int, native: bool = False) -> tuple[str, str]:
    """All Python stacks of `pid` as text, and what went wrong (empty: nothing). It is stopped meanwhile.

    `native`: with the frames of compiled code between those of Python.
    """
    words = command(pid)
    return _asked(words and [*words, *(["--native"] if native else [])])


def glance(pid: int) -> tuple[str, str, str]:
    """The same of a process that goes on meanwhile; and a digest by which two moments of it can be compared.

    It is of the stacks with the values of all variables, so that another round of a loop differs. Neither they nor the
    command line are kept: there may be secrets among them.
    """
    words = command(pid, gently=True)
    text, error = _asked(words and [*words, "--locals"])
    below = text.rpartition(VERSION)[2].splitlines(keepends=True)[1:]  # a command line may have many lines
    shown = as_started("".join(line for line in below if not line.startswith(DEEPER)))
    still = re.sub(r"^(Thread \S+) \([^)]*\)", r"\1", text, flags=re.MULTILINE)  # whether it is on a processor just now
    return shown, error, hashlib.sha256(still.encode()).hexdigest()


def _asked(words: list[str] | None) -> tuple[str, str]:
    if words is None:
        return "", NO_TOOL
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return "", f"py-spy gave no answer within {TIMEOUT_S:.0f} s"
    return told(done.returncode, done.stdout, done.stderr)


def command(pid: int, gently: bool = False) -> list[str] | None:
    """What prints them; None without py-spy. `gently`: the process is not stopped, so that a stack may be torn."""
    tool = py_spy()
    if tool is None:
        return None
    return [tool, "dump", "--full-filenames", *(["--nonblocking"] if gently else []), "--pid", str(pid)]


def told(code: int, out: str, err: str) -> tuple[str, str]:
    """What it printed, and what went wrong, from its exit status and its output."""
    return with_code(as_started(HEAD.sub(r"\1", out, count=1))), "" if code == 0 else (
        err.strip() or f"py-spy ended with {code}"
    )


def as_started(text: str) -> str:
    """A dump in which the stack of a rank that was forked begins where that of one which was started does."""
    kept, ours = list[str](), False
    for line in text.splitlines(keepends=True):
        ours = line.startswith("    ") and (ours or FORKED.fullmatch(line) is not None)
        kept += [] if ours else [line]
    return "".join(kept)


def with_code(text: str) -> str:
    """A dump in which each thread's innermost line but ours is told as it is written, where this host has the file.

    A wait of a lock, a store or a library in C has no frame of its own: the line is all that names it.
    """
    lines, head = text.splitlines(keepends=True), False
    for at, line in enumerate(lines):
        if head and IN_A_CALL in line:
            continue  # around what the program calls
        frame = re.fullmatch(r"    .* \((/.+):(\d+)\)\n?", line) if head else None
        if frame is not None and (code := linecache.getline(frame[1], int(frame[2])).partition("  #")[0].strip()):
            lines[at] = f"{line.rstrip()}  # {code[:CODE_CHARACTERS]}\n"
        head = line.startswith("Thread ")
    return "".join(lines)
