"""Files that survive a kill: replaced whole, appended line by line, and locked between a run and a rebuild.

What is opened where it lies is a regular file (`regular_file`); what is replaced is never written through.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lockstep.harness.regular_file import opened, read, read_end, read_text

MOST_LINES_BYTES = 1 << 30  # of a file of lines: a night of 100,000 cases takes a tenth of it


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


def write_as_named(path: Path, text: str) -> None:
    """Write where a user has said: a file is replaced whole; into a device, a pipe, or through a link, as a shell does.

    Whatever is no file stays what it is: a pipe or /dev/full that was replaced by a file would serve nobody any more.
    """
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        plain = True
    if plain:
        replace(path, text)
    else:
        with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """`replace` with JSON for people and programs."""
    replace(path, json.dumps(value, indent=1) + "\n")


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON line and wait until it is on the disk."""
    with os.fdopen(opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as file:
        file.write(json.dumps(value).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def torn(path: Path) -> bool:
    """Whether a file of lines ends within a line."""
    try:
        return read_end(path, 1) not in (b"", b"\n")
    except FileNotFoundError:
        return False


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON-lines file; a torn one is left out. An absent file has none."""
    try:
        lines = read(path, MOST_LINES_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):  # torn, empty, or none of ours
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds. Raises OSError, and ValueError with the place and what is wrong there."""
    text = read_text(path)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}:{error.colno}: no JSON from here on") from error
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply") from error
    except ValueError as error:  # Python converts no number of more than 4,300 digits
        raise ValueError(f"{path}: a number with too many digits") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: not a JSON object")
    return found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock: a run that records and a rebuild of the same run take turns. A kill lets go of it."""
    with os.fdopen(opened(path, os.O_RDWR), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a file's lock as long as a run goes on, so that nobody else continues it. A kill lets go of it.

    Raises BlockingIOError when somebody holds it.
    """
    with os.fdopen(opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
