"""Jobs without any rank: processes that wait for each other in queues, pools and locks, and such that only seem to."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from lockstep.harness.environment import NOTICE
from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import BIN, HERE, python, watch, watchdog
from tests.attach.test_sleeping_programs import clients

PROGRAM = "programs/waiting.py"
PATIENCE_S = 11.0  # longer than two looks of who looks around

pytestmark = pytest.mark.timeout(240)


def line(mark: str) -> str:
    """Where the line with this mark stands."""
    lines = (HERE / PROGRAM).read_text().splitlines()
    number = next(number for number, text in enumerate(lines, 1) if text.endswith(f"# {mark}"))
    return f"{PROGRAM.rpartition('/')[2]}:{number} in "


def judged(mode: str, folder: Path) -> Verdict:
    """The verdict on one that hangs, whose deadline is far away."""
    verdict = watch(python(PROGRAM, mode), 1, folder, deadline_s=200.0)
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.DEADLOCK), verdict.text
    return verdict


def test_who_waits_for_a_reply_that_nobody_is_to_send(tmp_path: Path) -> None:
    """A front end and its workers that all wait for each other in queues are proved to, each with its line."""
    verdict = judged("queues", tmp_path)
    assert verdict.proved, verdict.text
    assert line("the front end's line") + "_front_end, in Queue.get for any of processes " in verdict.text
    assert verdict.text.count(line("the worker's line") + "_answers, in Queue.get for any of processes ") == 2


@pytest.mark.parametrize(("mode", "mark"), [("pool", "the pool's line"), ("locks", "the lock's line")])
def test_a_main_thread_that_waits_for_its_own_process(mode: str, mark: str, tmp_path: Path) -> None:
    """It ends by rule: somebody may press Ctrl-C, which the finding names."""
    verdict = judged(mode, tmp_path)
    assert not verdict.proved
    assert line(mark) in verdict.text
    assert any(found.kind is FindingKind.NOT_VISIBLE and "Ctrl-C" in found.text for found in verdict.findings)


def test_what_a_process_was_started_with(tmp_path: Path) -> None:
    """Who runs no line of the program is told with what it was given to do, and with its parent's line as that."""
    verdict = judged("given", tmp_path)
    assert verdict.proved, verdict.text
    assert "stands in Queue.get, with which it was started at " in verdict.text
    assert line("the start's line") + "_given for process " in verdict.text


def test_what_a_compiled_process_is_in(tmp_path: Path) -> None:
    """It has no line: its program, the call, the descriptor and who else has what that is of are told."""
    verdict = judged("compiled", tmp_path)
    text, (child,) = verdict.text, [one for one in verdict.knot_processes if one.program == "cat"]
    (front,) = [one for one in verdict.knot_processes if one.pid in child.lacks_processes]
    assert (child.op, child.site, front.lacks_processes) == ("read", "", (child.pid,))
    assert line("the child's line") in front.site
    assert re.search(r"process \d+ \(cat\), which is no rank, stands in read from its standard input, a pipe that", text)
    assert re.search(r"a pipe that process \d+ \(python[0-9.]*\) has open too", text), text


@pytest.mark.parametrize("mode", ["slow", "server"])
def test_idle_workers_are_not_hung(mode: str, tmp_path: Path) -> None:
    """Workers wait as long as somebody may still bring them work: one who sleeps, or a client."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with clients(port, PATIENCE_S):
        verdict = watch(python(PROGRAM, mode, str(port)), 1, tmp_path, deadline_s=200.0)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text


@pytest.mark.parametrize("mode", ["parked", "loop"])
def test_who_serves_until_it_is_interrupted_is_not_hung(mode: str, tmp_path: Path) -> None:
    """A front end that stands in Event.wait, or in asyncio, may do so for as long as it likes: Ctrl-C ends it in order."""
    dog = watchdog(python(PROGRAM, mode), 1, tmp_path, deadline_s=200.0)
    done = threading.Event()

    def interrupt() -> None:
        while not done.wait(PATIENCE_S):
            for file in tmp_path.rglob("*stdout*"):
                if number := file.read_text().strip():
                    os.kill(int(number), signal.SIGINT)
                    return

    thread = threading.Thread(target=interrupt)
    thread.start()
    verdict = dog.watch()
    done.set()
    thread.join()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text


def test_a_loop_that_never_advances_is_told_early(tmp_path: Path) -> None:
    """A front end that polls is told with its line, long before a minute has passed, and goes on; one that sleeps is not."""
    words = {
        mode: [str(BIN / "lockstep"), "watch", "--run-id", mode, "--", *python(PROGRAM, mode)]
        for mode in ("polls", "slower")
    }
    env = {name: value for name, value in os.environ.items() if name != NOTICE}
    with contextlib.ExitStack() as stack:
        files = {mode: stack.enter_context((tmp_path / mode).open("w")) for mode in words}
        heads = {mode: subprocess.Popen(words[mode], cwd=tmp_path, env=env, stderr=files[mode]) for mode in words}
        try:
            assert wait_until(lambda: "turns in a loop" in (tmp_path / "polls").read_text(), 150)
            assert heads["polls"].poll() is None
            assert heads["slower"].wait(100) == 0
        finally:
            for head in heads.values():
                head.terminate()
                head.wait()
    said = (tmp_path / "polls").read_text().splitlines()[0]
    assert said.startswith("lockstep: nothing has moved for ")
    assert line("the loop's line") in said
    assert "turns in a loop" not in (tmp_path / "slower").read_text()
