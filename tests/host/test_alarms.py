"""Whether a process may be ended by an alarm that nobody sees: by what it is, and by what its files ask for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from lockstep.harness.host.alarms import RECORDED, file_with_alarms, may_have_alarm, unchanged_programs
from lockstep.harness.host.polling import wait_until

CAT = shutil.which("cat") or ""
PERL = shutil.which("perl") or ""


@contextmanager
def running(words: Sequence[str], **how: object) -> Iterator[int]:
    """A process that waits for its input."""
    one = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **how)  # type: ignore[call-overload]
    try:
        yield one.pid
    finally:
        one.kill()
        one.communicate()


def test_a_program_that_asks_for_no_alarm() -> None:
    """It may have got one even so, from the program that it was before."""
    with running([CAT]) as pid:
        assert may_have_alarm(pid)
        assert file_with_alarms(pid) == ""


@pytest.mark.skipif(not PERL, reason="it needs perl")
def test_a_program_that_asks_for_alarms() -> None:
    """Its file says so."""
    with running([PERL, "-e", "<STDIN>"]) as pid:
        assert wait_until(lambda: file_with_alarms(pid).startswith(("perl", "libperl")), 20)


@pytest.mark.parametrize("kept", ["blocked", "ignored"])
def test_who_does_not_take_the_signal(kept: str) -> None:
    """An alarm changes nothing for it."""

    def before() -> None:
        if kept == "ignored":
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})

    with running([CAT], preexec_fn=before) as pid:
        assert not may_have_alarm(pid)


def test_a_python_that_tells_of_its_alarms() -> None:
    """It is known by a descriptor, which those that are forked have too; one that is another program has it no more."""
    name = RECORDED.removeprefix("/memfd:")
    code = f"import os; os.memfd_create({name!r}); pid = os.fork(); os.write(1, b'%d\\n' % pid); input()"
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdin is not None
        forked = max(int(one.stdout.readline()) for _ in range(2))
        told = [may_have_alarm(one.pid), may_have_alarm(forked)]
        one.stdin.write("\n\n")
    assert told == [False, False]
    with running([sys.executable, "-c", code.partition(" pid")[0] + f"os.execv({CAT!r}, ['cat'])"]) as pid:
        assert wait_until(lambda: os.readlink(f"/proc/{pid}/exe") == os.path.realpath(CAT), 20)  # noqa: PTH115
        assert may_have_alarm(pid)


def test_who_was_never_another_program() -> None:
    """A command that is what it was started from, and what it has forked; not one that has become something else."""
    with running([CAT]) as pid:
        assert wait_until(lambda: os.readlink(f"/proc/{pid}/exe") == os.path.realpath(CAT), 20)  # noqa: PTH115
        assert unchanged_programs([pid, os.getpid()], pid, CAT) == {pid}
        assert unchanged_programs([pid], pid, sys.executable) == set()
        assert unchanged_programs([pid], pid, "") == set()
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        assert unchanged_programs([child, 1], os.getpid(), sys.executable) == {child, os.getpid()}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
