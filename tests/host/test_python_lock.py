"""Who wants Python's lock, and who keeps it in a call that needs other ranks, seen from outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection

import pytest

from lockstep.harness.attach import natives
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.python_lock import keeper, wanting

IN_A_CALL = "/harness/attach/recorded.py:"
CALL = f"call (/x/lockstep{IN_A_CALL}48)"
MPI, CYTHON = "(/x/lib/python3.11/libmpi.so.12)", "(/x/mpi4py/MPI.mpich.cpython-311-x86_64-linux-gnu.so)"
DUP = (f"sched_yield (/lib/libc.so.6)|0x7f22 {MPI}|PMPI_Comm_dup {MPI}|allreduce {CYTHON}|{CALL}|main (x.py:1)").split("|")
FUTEX = str(natives.FUTEX)
LIMIT, NONE = "0x7ffd", "0x0"


@pytest.mark.parametrize(
    ("frames", "keeps"),
    [
        (DUP, True),
        ([*DUP[:3], "lookup " + CYTHON, *DUP[3:]], True),
        ([frame.replace("Comm_dup", "Type_commit") for frame in DUP], False),  # over at once
        (["save (/x/_pickle.cpython-311-x86_64-linux-gnu.so)", *DUP[3:]], False),
        (["PyEval_EvalFrame (/x/libpython3.11.so.1.0)", *DUP], False),  # a function of the program that MPI calls
        (["copy (y.py:7)", *DUP], False),
        (["0x7f22 (/x/theirs.so)", *DUP], False),
        ([*DUP[:4], "work (x.py:7)", *DUP[4:]], False),  # in no call that is recorded
        (DUP[:4], False),
        ([], False),
    ],
)
def test_who_keeps_the_lock(frames: list[str], keeps: bool) -> None:
    """Only an owner in the one call of MPI that needs all members, made by a recorded call, with nobody's code within."""
    threads = {1: ("MainThread", "active", [CALL]), 7: ("t", "active+gil", frames)}
    assert keeper(threads, IN_A_CALL, ()) == (7 if keeps else None)
    assert keeper(threads | {8: ("u", "active+gil", DUP)}, IN_A_CALL, ()) is None
    assert keeper({7: ("t", "active", frames)}, IN_A_CALL, ()) is None


def test_a_call_that_is_recorded_in_c_counts() -> None:
    """There Python's frame is the program's own."""
    threads = {7: ("t", "active+gil", [*DUP[:4], "work (x.py:7)"])}
    assert keeper(threads, IN_A_CALL, (7,)) == 7
    assert keeper(threads, IN_A_CALL, (6,)) is None


@pytest.mark.parametrize(
    ("reader", "other", "wants"),
    [
        ((FUTEX, 8 * 100, LIMIT), (FUTEX, 8 * 100, LIMIT), True),
        ((FUTEX, 8 * 100, LIMIT), (FUTEX, 8 * 100 + 4, LIMIT), True),  # the other word of the same condition
        ((FUTEX, 8 * 100, LIMIT), (FUTEX, 8 * 100, NONE), False),
        ((FUTEX, 8 * 100, LIMIT), (FUTEX, 8 * 111, LIMIT), False),  # of an interpreter with a lock of its own
        ((FUTEX, 8 * 100, NONE), (FUTEX, 8 * 100, NONE), False),  # the reader waits for something else
        (("45", 8 * 100, LIMIT), (FUTEX, 8 * 100, LIMIT), False),  # it still reads
    ],
)
def test_who_wants_the_lock(
    reader: tuple[str, int, str], other: tuple[str, int, str], wants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sleeps, with a limit, at the very place of the thread that is known to want it."""
    calls = {1: reader, 2: other}

    def futex(pid: int, thread: int) -> list[str]:
        number, place, limit = calls[thread]
        return [number, hex(place), "0x89", "0x0", limit] if number == FUTEX else []

    monkeypatch.setattr(natives, "futex", futex)
    monkeypatch.setattr("lockstep.harness.host.python_lock.LOOK_S", 0.0)
    assert wanting(9, 1, [2]) == ((2,) if wants else ())


HOLDS = """
import ctypes, sys, threading, time
def ident(): print(threading.get_native_id(), flush=True)
def wants():
    ident()
    while True: time.sleep(0.01)
def sleeps(limit):
    ident()
    threading.Event().wait(limit)
for target, given in ((wants, ()), (wants, ()), (sleeps, (None,)), (sleeps, (1000.0,))):
    threading.Thread(target=target, args=given, daemon=True).start()
    time.sleep(0.3)
print("held", flush=True)
ctypes.PyDLL(None).sleep(120)
"""


def test_real_threads_that_want_the_lock() -> None:
    """While one thread sleeps with the lock in its hands those that want it are told from those that sleep for others."""
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True) as held:
        try:
            assert held.stdout is not None
            one, two, untimed, timed = (int(held.stdout.readline()) for _ in range(4))
            assert held.stdout.readline() == "held\n"

            def told(reader: int, among: Collection[int]) -> tuple[int, ...]:
                return wanting(held.pid, reader, among)

            assert wait_until(lambda: told(one, [two, untimed, timed]) == (two,), 30.0)
            assert told(untimed, [one, two, timed]) == ()
            assert told(timed, [one, two, untimed]) == ()
        finally:
            held.kill()
