"""The threads of this process that Python did not start: whether each is of a library that does not call into Python.

Such a thread may call back into Python at any moment, and have it do anything (a timer of a C library, gRPC, a callback of
ctypes). What it belongs to stands on its stack: the libraries that its return addresses point into.
"""

from __future__ import annotations

import array
import bisect
import functools
import mmap
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from lockstep.harness.attach import gpu_driver

# Mathematics, transports, and what starts them: their threads run their own code only.
KNOWN = (
    "libc.so", "libc-", "ld-linux", "libpthread", "libm.so", "libm-", "libstdc++", "libgcc_s", "libgomp", "libiomp",
    "libgfortran", "libquadmath",
    "libomp", "libtorch", "libc10", "libgloo", "libopenblas", "libscipy_openblas", "libmkl", "libtbb", "libmpi", "libpmi",
    "libprrte", "libopen-", "libhwloc", "libevent", "libucp", "libucs", "libuct", "libucm", "libfabric", "libpsm",
    "libibverbs", "librdmacm", "libnuma", "libxpmem", "libcuda", "libnccl", "libnv", "libcublas", "libcudnn", "libzmq",
    "liblockstep", "[vdso]",
)  # fmt: skip
# What alone is on the stack of the C library's own threads: any other is started with a function of who starts it.
LIBC = ("libc.so", "libc-", "ld-linux", "libpthread", "librt", "libanl", "[vdso]")
FOLDERS = ("/torch/lib/", "/torch/_C", "/mpi4py/", "/numpy/", "/nvidia/", "/lib/openmpi/", "/lib/pmix/")
# Torch names its workers so (autograd's, gloo's). Having once dropped a Python object they look like Python's own; one
# that runs Python code has a frame, and code attached to a collective's future makes the rank opaque.
TORCH = "pt_"
# Who wants Python's lock waits with a limit, and so does gloo's worker inside its operation. So long the latter sleeps on
# while the lock is free, which the former would get.
REST_S = 0.05
# NCCL names its own threads, which poll between hosts: they are never seen at rest, and run nothing of the program's.
NCCL, OF_NCCL = "libnccl", ("NCCL Progress", "NCCL Service", "NCCL UDS", "NCCL RAS", "NCCL Sock", "NCCL Ib")
PYTHONS_OWN, CALLED_BACK = "/lib-dynload/", "_ctypes"  # modules of its standard library; the one by which C calls Python
DEEPEST = 1 << 18  # bytes of a stack that are looked at
WORD = 8
FUTEX = {"x86_64": 202, "aarch64": 98}.get(os.uname().machine, -1)  # the system call in which threads wait for each other


class _Mapping(NamedTuple):
    start: int
    end: int
    runs: bool
    path: str


def doubts(frames: Mapping[int, FrameType], inside: Collection[int] | None = None) -> list[str]:
    """Which of them may call into Python, in sentences. `frames`: where Python's own threads are. `inside`: see `awake`."""
    known = {thread.ident: thread.native_id for thread in threading.enumerate() if thread.ident in frames}
    mine = {ident for ident in known.values() if ident is not None} | {threading.get_native_id()}
    others = len(frames) - len(known.keys() | {threading.get_ident()})
    return doubts_about(os.getpid(), mine | set(inside or ()), others, mpi_is_seen=inside is not None)


def doubts_about(pid: int, python: Collection[int], others: int = 0, mpi_is_seen: bool = False) -> list[str]:
    """The same of any process: `python` are its Python threads, by the kernel's ids; `others` more are not known by them.

    `mpi_is_seen`: whoever calls MPI is recorded.
    """
    try:
        return sorted(set(_doubts(pid, python, others, mpi_is_seen)))
    except OSError as error:
        return [f"the threads that Python did not start cannot be seen ({error.strerror})"]


def _doubts(pid: int, python: Collection[int], others: int, mpi_is_seen: bool) -> Iterator[str]:
    mappings = list(_mappings(pid))
    if not any(one.runs and one.path != "[vsyscall]" for one in mappings):
        yield "the process is about to end"  # its memory has been given back already, its threads are still listed
        return
    loaded = {Path(one.path).name for one in mappings if one.runs}
    has_nccl = any(name.startswith(NCCL) for name in loaded)
    driver_calls = functools.cache(lambda: gpu_driver.calls_python(pid))  # once in a look, and only if a thread needs it
    for path in sorted({one.path for one in mappings if one.runs and not _is_known(one.path)}):
        if not mpi_is_seen and _links_mpi(path):
            yield f"{Path(path).name} is linked with MPI: what it communicates is not seen"
    beginning, rests = 0, dict[str, tuple[str, ...]]()
    for name in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
        if int(name) in python:
            continue
        born = (pid, name, _start_of(pid, name))
        if born in _harmless or (has_nccl and _name(pid, name).startswith(OF_NCCL)):
            continue
        libraries = _libraries(pid, name, mappings)
        if libraries is None:
            yield "a thread that Python did not start is at work"
            continue
        called = _name(pid, name).strip()
        strange = (path for path in libraries if not _is_known(path, driver_calls))
        unknown = sorted(Path(path).name or "code made at run time" for path in strange)
        if unknown:
            yield f"a thread that Python did not start ({called}: {', '.join(unknown)}) may call into Python"
        of_python = any(_is_python(path) for path in libraries)
        of_torch = of_python and called.startswith(TORCH)
        # Like torch's, a thread of the driver may have an old address of Python's left on its stack; and what is about to
        # run Python code has not called the driver yet.
        in_driver = any(Path(path).name.startswith(gpu_driver.LIBRARY) for path in libraries)
        of_driver = in_driver and not unknown and called.startswith(gpu_driver.THREAD)
        if of_python and not of_driver and not (of_torch and waits_untimed(pid, name)):
            beginning += 1
            rests[name] = _rest(pid, name) if of_torch and pid == os.getpid() else ()
        if libraries and all(Path(path).name.startswith(LIBC) for path in libraries):
            yield "a thread of the C library waits, which may call back (for a timer, a file or a queue)"
            continue
        if libraries and not unknown and not of_python and not in_driver:  # which may be told to later
            _harmless.add(born)  # what a thread was started by stays the same
    if beginning > others and any(rests.values()):
        time.sleep(REST_S)  # Python's lock is free meanwhile; nobody can see that of another process
        beginning -= sum(bool(rest) and _rest(pid, name) == rest for name, rest in rests.items())
    if beginning > others:
        names = sorted({_name(pid, name).strip() for name in rests})
        yield f"a Python thread is about to begin or to end ({', '.join(names)})"


_harmless: set[tuple[int, str, str]] = set()  # process, thread and its start: of libraries that call nobody


def waits_untimed(pid: int, thread: int | str) -> bool:
    """Whether a thread waits, without a limit of time, for another thread of its process to wake it.

    One that wants Python's lock waits with a limit, again and again: it goes on by itself as soon as the lock is free.
    """
    words = futex(pid, thread)
    return len(words) > 4 and int(words[4], 16) == 0


def _rest(pid: int, thread: str) -> tuple[str, ...]:
    """Where a thread waits for another to wake it, and how often it has been switched; empty of one that does not wait."""
    words = futex(pid, thread)
    try:
        status = Path(f"/proc/{pid}/task/{thread}/status").read_text().splitlines()
    except OSError:
        return ()
    counts = [line for line in status if "_ctxt_switches" in line]
    return (*words, *counts) if words and len(counts) == 2 else ()


def futex(pid: int, thread: int | str) -> list[str]:
    """The system call in which a thread waits for another, with what it was given; empty of one that does not."""
    try:
        words = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()
    except OSError:
        return []
    return words if words[:1] == [str(FUTEX)] else []


def _name(pid: int, thread: str) -> str:
    try:
        return Path(f"/proc/{pid}/task/{thread}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _start_of(pid: int, thread: str) -> str:
    """When a thread was started, so that another with its number is not taken for it."""
    try:
        return Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _mappings(pid: int) -> Iterator[_Mapping]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        place, rights, _, _, _, *path = line.split(None, 5)
        start, _, end = place.partition("-")
        yield _Mapping(int(start, 16), int(end, 16), "x" in rights, path[0] if path else "")


def _libraries(pid: int, thread: str, mappings: list[_Mapping]) -> set[str] | None:
    """The files that a thread's stack points into; empty of one that has ended, None of one that does not wait."""
    try:
        words = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return set()
    if len(words) < 3:
        return None
    stack, at = int(words[-2], 16), int(words[-1], 16)
    starts = [one.start for one in mappings]

    def found(address: int) -> _Mapping | None:
        one = mappings[bisect.bisect(starts, address) - 1]
        return one if one.start <= address < one.end else None

    place = found(stack)
    if place is None or place.end - stack > DEEPEST:
        return None
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        memory.seek(stack)
        raw = memory.read((place.end - stack) // WORD * WORD)
    raw = raw[: len(raw) // WORD * WORD]
    low, high = mappings[0].start, max(one.end for one in mappings if one.runs and one.path != "[vsyscall]")
    hits = (found(address) for address in {at, *array.array("Q", raw)} if low <= address < high)
    return {one.path for one in hits if one is not None and one.runs}


def _is_known(path: str, driver_calls: Callable[[], bool] = lambda: True) -> bool:
    name = path.rpartition("/")[2]
    if name.startswith(gpu_driver.LIBRARY) and driver_calls():
        return False
    if PYTHONS_OWN in path:  # they start no thread; what is left of their addresses on a stack says nothing
        return not name.startswith(CALLED_BACK)
    return name.startswith(KNOWN) or any(folder in path for folder in FOLDERS) or _is_python(path)


def _is_python(path: str) -> bool:
    return path.rpartition("/")[2].startswith(("python", "libpython"))


@functools.cache
def _links_mpi(path: str) -> bool:
    """Whether a shared object asks for an MPI library."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:  # noqa: PTH123
            return memory.find(b"\0libmpi.so") >= 0 or memory.find(b"\0libmpi_") >= 0 or memory.find(b"\0libmpich") >= 0
    except (OSError, ValueError):
        return False  # no file: code that was made at run time, or that is gone
