"""What Ctrl-C may end in a process that is seen from outside: a lock of its own, or the loop of a server."""

from __future__ import annotations

import pytest

from lockstep.harness.host.thread_waits import INTERRUPTIBLE, OWN, PARKED, End, ThreadWait
from lockstep.harness.supervisor import idle_main
from lockstep.harness.supervisor.idle_main import IdleMain

PID = 10
OWN_LINE = "    main (/home/a.py:3)\n"
LOCK = f'Thread 10 (idle): "MainThread"\n{OWN_LINE}'
LIB = "/usr/lib/python3.11"
EVENT = f'Thread 10 (idle): "MainThread"\n    Event.wait ({LIB}/threading.py:5)\n{OWN_LINE}'
JOIN = f'Thread 10 (idle): "MainThread"\n    Thread.join ({LIB}/threading.py:7)\n{OWN_LINE}'
LOOP = f'Thread 10 (idle): "MainThread"\n    select ({LIB}/selectors.py:9)\n    run ({LIB}/asyncio/runners.py:1)\n{OWN_LINE}'
PROCESS = f"{LIB}/multiprocessing/process.py"
FORK = f"    run ({PROCESS}:8)\n    BaseProcess._bootstrap ({PROCESS}:9)\n    BaseProcess.start ({PROCESS}:1)\n{OWN_LINE}"
EVENT_GIVEN = EVENT.replace(OWN_LINE, FORK)  # the target of a process that was forked from that line
LOCK_GIVEN = LOCK.replace(OWN_LINE, FORK)


def wait(call: str, end: End, steps: int = 1) -> list[ThreadWait]:
    """Of a main thread, and of one beside it that waits for a pipe."""
    pipe = End("pipe", "[1]")
    return [ThreadWait(PID, call, False, (end,), (steps, 0)), ThreadWait(11, "read", False, (pipe,), (1, 0))]


@pytest.mark.parametrize(
    ("waits", "text", "caught", "found"),
    [
        (wait("futex", OWN), LOCK, True, INTERRUPTIBLE),
        (wait("futex", OWN), JOIN, True, INTERRUPTIBLE),
        (wait("futex", OWN), EVENT, True, PARKED),
        (wait("futex", OWN), EVENT_GIVEN, True, PARKED),
        (wait("futex", OWN), LOCK_GIVEN, True, INTERRUPTIBLE),
        (wait("futex", OWN), "", True, PARKED),  # nobody knows
        (wait("futex", OWN), LOCK, False, None),
        (wait("epoll_wait", End("socket", "[2]")), LOOP, True, PARKED),
        (wait("poll", End("socket", "[2]")), LOCK, True, None),
        (wait("read", End("pipe", "[2]")), EVENT, True, None),
    ],
)
def test_what_ctrl_c_may_end(
    waits: list[ThreadWait], text: str, caught: bool, found: End | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's event or loop is what it is meant to stand in; a lock is not, but is not proved; a pipe is neither."""
    monkeypatch.setattr(idle_main, "glance", lambda pid: (text, "", ""))
    monkeypatch.setattr(idle_main, "catches", lambda pid, number: caught)
    idle = IdleMain()
    idle.begin()
    assert idle.end(PID, waits) == found


def test_stacks_are_read_once_and_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again only when a thread has run; what there was no time for is read at the next look."""
    read: list[int] = []
    clock = [0.0]

    def glance(pid: int) -> tuple[str, str, str]:
        read.append(pid)
        clock[0] += idle_main.MOST_S + 1
        return LOCK, "", ""

    monkeypatch.setattr(idle_main, "glance", glance)
    monkeypatch.setattr(idle_main, "catches", lambda pid, number: True)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    idle = IdleMain()
    other = [one._replace(thread=one.thread + 10) for one in wait("futex", OWN)]
    idle.begin()
    assert (idle.end(PID, wait("futex", OWN)), idle.end(PID + 10, other)) == (INTERRUPTIBLE, PARKED)
    idle.begin()
    assert (idle.end(PID, wait("futex", OWN)), idle.end(PID + 10, other)) == (INTERRUPTIBLE, INTERRUPTIBLE)
    assert read == [PID, PID + 10]
    idle.begin()
    assert idle.end(PID, wait("futex", OWN, steps=2)) == INTERRUPTIBLE
    assert read == [PID, PID + 10, PID]
