"""Starts the process that serves the page of a run, tells its address once, and ends it with the run."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lockstep.harness.regular_file import opened

END_S = 3.0  # for it to end by itself
TOKEN_BYTES = 24
LOG = "serve.log"  # what it says, which is nothing


@contextlib.contextmanager
def serving(run: Path, wanted: bool, say: Callable[[str], None]) -> Iterator[None]:
    """While this lasts the run in this folder has a page, where one is wanted. If it cannot be had, that is said."""
    if not wanted:
        yield
        return
    try:
        listener = _listener()
        process, address = _start(run, listener)
    except OSError as error:
        say(f"lockstep: --serve: no page of the run while it goes on: {error}")
        yield
        return
    say(f"live page, for you alone: {address}")
    try:
        yield
    finally:
        _tell_failure(run / LOG, _ended(process), say)


def _tell_failure(log: Path, was_there: bool, say: Callable[[str], None]) -> None:
    """What kept somebody from seeing the page; nothing stays where nothing did."""
    if log.stat().st_size or not was_there:
        say(f"lockstep: --serve: {'the page could not be made' if was_there else 'its process ended early'}; see {log}")
    else:
        log.unlink()


def _listener() -> socket.socket:
    """On loopback alone, at a port of its own. Raises OSError."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError):
            return socket.create_server((host, 0), family=family)
    raise OSError("neither 127.0.0.1 nor ::1 can be listened at")


def _start(run: Path, listener: socket.socket) -> tuple[subprocess.Popen[bytes], str]:
    """The process, and where its page is. The token goes through a pipe: arguments and variables are for all to see."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with listener, os.fdopen(opened(run / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as log:
        host, port = listener.getsockname()[:2]
        words = [sys.executable, "-m", "lockstep.harness.report.live", str(run), str(listener.fileno())]
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=(listener.fileno(),),
            start_new_session=True,  # Ctrl-C is for the run
        )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{token}\n".encode())
            process.stdin.flush()
    return process, f"http://{f'[{host}]' if ':' in host else host}:{port}/{token}/"


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """End it. Whether it had been there until now."""
    was_there = process.poll() is None
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return was_there
