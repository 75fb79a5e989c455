"""Signals that ask for the end: raised where nothing is watched, and counted where something is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from lockstep.harness.stop_signals import SIGNALS, Stopped, StopSignals


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """As in a command that is started from a terminal."""
    before = {signum: signal.signal(signum, signal.SIG_DFL) for signum in SIGNALS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize("signum", SIGNALS)
def test_raised_where_nothing_is_watched(signum: signal.Signals) -> None:
    """The first ends the command with the code of a shell; a second one does not cut what that still does."""
    with pytest.raises(Stopped) as found, StopSignals().heard():
        try:
            os.kill(os.getpid(), signum)
        finally:
            os.kill(os.getpid(), signum)
    assert found.value.exit_code == 128 + signum


def test_counted_while_a_case_is_watched(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is raised in the middle of a case; afterwards the command goes no further."""
    with StopSignals().heard() as signals:
        with signals.watching():
            os.kill(os.getpid(), signal.SIGTERM)
            assert (signals.count, signals.name, signals.hurry) == (1, "SIGTERM", False)
            os.kill(os.getpid(), signal.SIGINT)
            assert (signals.count, signals.name, signals.hurry) == (2, "SIGTERM", True)
        with pytest.raises(Stopped):
            signals.raise_if_any()
    assert "once more to gather less" in capfd.readouterr().err


def test_ignored_stays_ignored() -> None:
    """What nohup, or a shell's background, has made a command ignore does not end it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals().heard() as signals, signals.watching():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signals.count == 0
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    signals.raise_if_any()


def test_asked_again_on_the_way_out() -> None:
    """Whoever asked once may ask again until the process has ended: its exit code stays what it was."""
    with StopSignals().heard() as signals, signals.watching():
        os.kill(os.getpid(), signal.SIGINT)
    for signum in SIGNALS:
        os.kill(os.getpid(), signum)
        assert signal.getsignal(signum) is signal.SIG_IGN
    assert signals.signum == signal.SIGINT
