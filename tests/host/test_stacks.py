"""A process whose Python does not answer, seen from outside: who holds the lock, and who could go on after it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lockstep.harness.attach import natives
from lockstep.harness.host import stacks
from lockstep.harness.host.polling import wait_until as until
from lockstep.harness.host.stacks import LockOwner, lock_owner

CALL = "recorded.<locals>.call (/x/lockstep/harness/attach/recorded.py:48)"
ANSWER = "_answer (/x/lockstep/harness/attach/line.py:58)"
LINES = Path(threading.__file__).read_text().splitlines()


def line_of(code: str) -> int:
    """The number of the line of threading.py that holds this, after its first `if timeout is None`."""
    first = next(
        number
        for number, line in enumerate(LINES)
        if line.strip() == "if timeout is None:" and "waiter" in LINES[number + 1]
    )
    return next(number for number in range(first, len(LINES)) if code in LINES[number]) + 1


UNTIMED, TIMED = line_of("waiter.acquire()"), line_of("waiter.acquire(True, timeout)")


def dump(*threads: tuple[int, str, str, str]) -> str:
    """What py-spy prints: number, state, name, innermost frame."""
    parts = ["Process 1: x", "Python v3", ""]
    for number, state, name, frame in threads:
        parts += [f"Thread {number} ({state})" + (f': "{name}"' if name else ""), f"    {frame}", "    main (x.py:1)"]
    return "\n".join(parts)


def wait(line: int) -> str:
    """The frame of a thread in Condition.wait."""
    return f"Condition.wait ({threading.__file__}:{line})"


OWNER = (1, "active+gil", "MainThread", CALL)
LOADING = "\n    ".join(
    [
        "_call_with_frames_removed (<frozen importlib._bootstrap>:241)",
        "ExtensionFileLoader.exec_module (<frozen importlib._bootstrap_external>:1241)",
        "_Loader.exec_module (/x/lockstep/harness/attach/imports.py:104)",
    ]
)
ANSWERER = (2, "idle", "", ANSWER)


def test_the_innermost_line_but_ours_is_told_as_it_is_written() -> None:
    """Our own frame around a call would hide the program's line."""
    text = dump((1, "idle", "MainThread", CALL)).replace("main (x.py:1)", wait(UNTIMED))
    assert stacks.with_code(f"{text}\n").splitlines()[-1].endswith("  # waiter.acquire()")


@pytest.mark.parametrize(
    ("threads", "ident", "doubts"),
    [
        ([OWNER, ANSWERER], 1, 0),
        ([OWNER, ANSWERER, (3, "idle", "Thread-1 (wait)", wait(UNTIMED))], 1, 0),
        ([OWNER, ANSWERER, (3, "idle", "Thread-1 (wait)", wait(TIMED))], 1, 1),
        ([OWNER, ANSWERER, (3, "active", "Thread-1 (wait)", wait(UNTIMED))], 1, 1),
        ([(3, "active+gil", "t", CALL), ANSWERER, (1, "idle", "MainThread", wait(UNTIMED))], 3, 1),  # handlers run there
        ([OWNER, ANSWERER, (3, "idle", "Thread-1", "sleep (x.py:3)")], 1, 1),
        ([(1, "active+gil", "MainThread", "dumps (pickle.py:3)"), ANSWERER], 1, 1),
        ([(1, "active", "MainThread", CALL), ANSWERER], 0, 1),
        ([(1, "idle", "MainThread", CALL), ANSWERER], 1, 0),  # MPI_Finalize, which sleeps with the lock in its hands
        ([(1, "idle", "MainThread", CALL), ANSWERER, (3, "idle", "t", wait(UNTIMED))], 1, 0),
        ([(1, "idle", "MainThread", CALL), ANSWERER, (3, "idle", "t", CALL)], 0, 1),
        ([(1, "idle", "MainThread", CALL), ANSWERER, (3, "idle", "t", "sleep (x.py:3)")], 0, 2),
        ([(1, "active+gil", "MainThread", LOADING), ANSWERER], 1, 0),  # MPI_Init, while mpi4py is loaded
        ([(1, "active+gil", "MainThread", LOADING.replace("ExtensionFile", "SourceFile")), ANSWERER], 1, 1),
        ([(1, "active+gil", "MainThread", LOADING.replace("/attach/", "/other/")), ANSWERER], 1, 1),
        ([(1, "active+gil", "MainThread", f"dumps (pickle.py:3)\n    {LOADING}"), ANSWERER], 1, 1),
        ([], 0, 1),
    ],
)
def test_who_holds_the_lock(
    threads: list[tuple[int, str, str, str]], ident: int, doubts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where all others are in recorded calls, or wait without a limit for a lock, does the owner speak for all."""
    monkeypatch.setattr(stacks, "stacks", lambda pid: (dump(*threads), ""))
    monkeypatch.setattr("lockstep.harness.attach.natives.doubts_about", lambda pid, known, **named: [])
    monkeypatch.setattr("lockstep.harness.attach.natives.waits_untimed", lambda pid, thread: True)
    found = lock_owner(1)
    assert (found.ident, len(found.others)) == (ident, doubts), found
    assert isinstance(found, LockOwner)


def test_a_thread_that_wants_the_lock_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was woken in its wait, and only waits for Python's lock, is not asleep though its frame is the same."""
    waiter = (3, "idle", "Thread-1 (wait)", wait(UNTIMED))
    monkeypatch.setattr(stacks, "stacks", lambda pid: (dump(OWNER, ANSWERER, waiter), ""))
    monkeypatch.setattr("lockstep.harness.attach.natives.doubts_about", lambda pid, known, **named: [])
    monkeypatch.setattr("lockstep.harness.attach.natives.waits_untimed", lambda pid, thread: False)
    assert len(lock_owner(1).others) == 1


READER = (2, "idle", "", f"SocketIO.readinto (/x/socket.py:706)\n    {ANSWER}")


@pytest.mark.parametrize(
    ("answerer", "keeper", "before", "after", "waiting"),
    [
        (READER, 1, (3, 4), (3, 4), (3, 4)),
        (READER, 1, (3,), (3,), (3,)),  # the other may go on
        (READER, 1, (3, 4), (3,), ()),
        (READER, None, (3, 4), (3, 4), ()),
        (READER, 3, (3, 4), (3, 4), ()),
        (ANSWERER, 1, (3, 4), (3, 4), ()),  # nobody is known to want the lock
    ],
)
def test_who_wants_the_lock_is_kept_out_by_an_owner_that_is_seen_to_keep_it(
    answerer: tuple[int, str, str, str],
    keeper: int | None,
    before: tuple[int, ...],
    after: tuple[int, ...],
    waiting: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before and after the look at the owner; who is not, may still go on."""
    threads = dump(OWNER, answerer, (3, "idle", "t", "sleep (x.py:3)"), (4, "idle", "u", wait(TIMED)))
    looks = iter((before, after))
    monkeypatch.setattr(stacks, "stacks", lambda pid, native=False: (threads, ""))
    monkeypatch.setattr("lockstep.harness.attach.natives.doubts_about", lambda pid, known, **named: [])
    monkeypatch.setattr("lockstep.harness.host.python_lock.wanting", lambda pid, reader, among: next(looks))
    monkeypatch.setattr("lockstep.harness.host.python_lock.keeper", lambda threads, call, in_mpi: keeper)
    found = lock_owner(1)
    assert (found.ident, found.waiting, len(found.others)) == (1, waiting, 2 - len(waiting))


@pytest.mark.parametrize(("limit_s", "untimed"), [(None, True), (1000.0, False)])
def test_waits_with_and_without_a_limit_are_told_apart(limit_s: float | None, untimed: bool) -> None:
    """The kernel tells whether a thread's wait for another one has a limit of time."""
    event = threading.Event()
    thread = threading.Thread(target=event.wait, args=(limit_s,), daemon=True)
    thread.start()
    place = Path(f"/proc/self/task/{thread.native_id}/syscall")

    def as_said() -> bool:  # for a moment after its start it waits for Python's lock
        waits = place.read_text().split()[0] == str(natives.FUTEX)
        return waits and natives.waits_untimed(os.getpid(), thread.native_id or 0) == untimed

    try:
        assert until(as_said, 30.0)
    finally:
        event.set()
        thread.join()
