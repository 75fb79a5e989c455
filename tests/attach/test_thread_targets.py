"""Threads that run nothing but C code: a lock or a queue that nobody can act on any more, and what only looks like it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
import zmq

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, Outcome
from tests.attach.launch import HERE, python, watch

PROGRAM = "programs/targets.py"
LATE_S = 9.0  # when it would have been judged long since


def judged(mode: str, folder: Path, *words: str) -> Verdict:
    """The verdict on one of the modes, whose deadline is far away."""
    return watch(python(PROGRAM, mode, *words), 1, folder, deadline_s=200.0)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("mode", "what", "mark"),
    [("lock", "lock.acquire", "the thread's line"), ("queue", "SimpleQueue.get", "the pool's line")],
)
def test_what_nobody_can_act_on(mode: str, what: str, mark: str, tmp_path: Path) -> None:
    """It is told soon, with what the thread was given to do and with the line that waits for it."""
    lines = enumerate((HERE / PROGRAM).read_text().splitlines(), 1)
    line = next(number for number, text in lines if text.endswith(f"# {mark}"))
    verdict = judged(mode, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, False), verdict.text
    assert f"waits in {what}, a thread's target, for another of its threads and in " in verdict.text
    assert f"{PROGRAM}:{line} in main for another of its threads" in verdict.text


@pytest.mark.timeout(240)
def test_what_another_thread_does_late(tmp_path: Path) -> None:
    """A timer that brings what is waited for makes it no hang."""
    verdict = judged("timer", tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text


def send(port: int) -> None:
    """One message, as soon as somebody is there to take it; it is given up when that takes very long."""
    with zmq.Context() as context, context.socket(zmq.PUSH) as sender:
        sender.setsockopt(zmq.LINGER, 100_000)
        sender.connect(f"tcp://127.0.0.1:{port}")
        sender.send(b"x")


@pytest.mark.timeout(240)
def test_what_the_thread_of_a_library_brings(tmp_path: Path) -> None:
    """Whom another library's code waits for is not known, also where Python's own calls it: a message comes from outside."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    timer = threading.Timer(LATE_S, send, [port])
    timer.start()
    try:
        verdict = judged("socket", tmp_path, str(port))
    finally:
        timer.join()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
