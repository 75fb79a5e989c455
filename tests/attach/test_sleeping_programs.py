"""Waits outside of communicators: queues, events, locks and loops, among ranks and processes that are none."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import HERE, python, watch

PROGRAM = "programs/sleeping.py"
MARKS = RANKS, EVENT, LOCK, LOOP, STORE, FILE, HASH, FRONT_END = (
    "the ranks' line", "the event's line", "the lock's line", "the loop's line", "the store's line", "the file store's line",
    "the hash store's line", "the front end's line",
)  # fmt: skip
LINES = {
    mark: number
    for number, line in enumerate((HERE / PROGRAM).read_text().splitlines(), 1)
    for mark in MARKS
    if line.endswith(f"# {mark}")
}


def judged(mode: str, folder: Path, *words: str) -> Verdict:
    """The verdict on one program, whose deadline is far away."""
    return watch(python(PROGRAM, mode, *words), 1, folder, deadline_s=200.0)


@pytest.mark.timeout(240)
def test_a_lost_reply(tmp_path: Path) -> None:
    """All wait in queues for each other, the front end too: nobody is left who could send, which is proved at once."""
    verdict = judged("queue", tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    for rank in ("rank 0 waits in Queue.get at ", "rank 1 waits in Queue.get at "):
        assert rank in verdict.text
    assert verdict.text.count(f":{LINES[RANKS]} in _queue for") == 2
    assert f":{LINES[FRONT_END]} in front_end, in Queue.get for" in verdict.text


@pytest.mark.timeout(240)
def test_an_event_that_comes_after_a_collective(tmp_path: Path) -> None:
    """Who waits for an event that is set after a barrier, and who waits in the barrier for it, are one knot."""
    verdict = judged("event", tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert "waits in Event.wait at " in verdict.text
    assert f":{LINES[EVENT]} in _event for" in verdict.text


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("mode", "mark"), [("lock", LOCK), ("loop", LOOP)])
def test_a_process_that_has_locked_itself(mode: str, mark: str, tmp_path: Path) -> None:
    """A thread that wants a lock, or a future, which only a thread of the same process that waits could give, is stuck."""
    verdict = judged(mode, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert f":{LINES[mark]} in " in verdict.text
    assert "for another of its threads" in verdict.text


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("mode", "mark", "kind"),
    [("store", STORE, "TCPStore"), ("file-store", FILE, "FileStore"), ("hash-store", HASH, "HashStore")],
)
def test_a_key_that_is_set_after_a_barrier(mode: str, mark: str, kind: str, tmp_path: Path) -> None:
    """Who waits for a key of a store waits for anybody of the job; when all are stuck, that is told with the key.

    It ends by rule: somebody outside could come to the store.
    """
    verdict = judged(mode, tmp_path, str(tmp_path / "keys"))
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, False), verdict.text
    assert any(found.kind is FindingKind.NOT_VISIBLE and "a store" in found.text for found in verdict.findings)
    assert f"waits in {kind}.wait of 'ready' at " in verdict.text
    assert f":{LINES[mark]} in _{mode.replace('-', '_')}" in verdict.text


@contextlib.contextmanager
def clients(port: int, after_s: float) -> Iterator[None]:
    """Somebody from outside who connects twice, after some time each."""
    done = threading.Event()

    def connect() -> None:
        for _ in range(2):
            done.wait(after_s)
            while not done.is_set():
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.2)

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", ["slow", "server", "pool", "late-key", "late-file"])
def test_idle_is_not_hung(mode: str, tmp_path: Path) -> None:
    """Ranks that wait for work are in order as long as somebody may still bring some: one who sleeps, or a client."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with clients(port, 12.0):
        verdict = watch(python(PROGRAM, mode, str(port), str(tmp_path / "keys")), 1, tmp_path, deadline_s=200.0)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
