"""Files that survive a kill: replaced whole, appended line by line, and locked between a run and a rebuild."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def replace(path: Path, text: str, durable: bool = True) -> None:
    """Write a file so that a reader, or a kill at any moment, finds the old text or the new one.

    Not `durable`: after a fall of the whole machine it may be empty, as of what can be made again.
    """
    with _told_of(path):
        _replace(path, text, durable)
    if durable:
        _sync_folder(path.parent)


def _replace(path: Path, text: str, durable: bool) -> None:
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        os.replace(name, path)  # noqa: PTH105  (the temporary file is a plain name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """An error names the file that is meant: nobody has typed the temporary one, or finds it afterwards."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """`replace` with JSON for people and programs."""
    replace(path, json.dumps(value, indent=1) + "\n")


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON line and wait until it is on the disk."""
    with path.open("ab") as file:
        file.write(json.dumps(value).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def torn(path: Path) -> bool:
    """Whether a file of lines ends within a line."""
    return path.exists() and not (b"\n" + path.read_bytes()).endswith(b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON-lines file; a torn one is left out. An absent file has none."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            value = json.loads(line)
        except ValueError:  # torn or empty
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock: a run that records and a rebuild of the same run take turns. A kill lets go of it."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a file's lock as long as a run goes on, so that nobody else continues it. A kill lets go of it.

    Raises BlockingIOError when somebody holds it.
    """
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
