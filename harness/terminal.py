"""Text of others on its way to people: what would act on a terminal is shown instead, as `\\x1b`.

Error messages, paths, arguments and the names in scenario files come from programs and people that are not trusted with the
terminal of whoever reads a report: an escape sequence can retitle it, hide lines, or type.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

STDOUT = "standard output"

# Control characters but for line ends and tabs, what turns the direction of text, and what no encoding holds.
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with everything in it that acts on a terminal as what Python writes for it."""
    return _ACTS.sub(lambda found: ascii(found[0])[1:-1], text) if _ACTS.search(text) else text


class OpenStream:
    """Where output goes in the end. What cannot be written to stdout ends the command, with a name that a sentence can tell;
    what cannot be written to stderr is lost, as there is nobody left to tell, and a verdict is worth more. Of a pipe whose
    reader has gone both say so: whoever shows less is ended by that in order."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name

    def write(self, text: str) -> int:
        """Write it."""
        with self._failing():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Let nothing be left in buffers."""
        with self._failing():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._name:
                raise OSError(error.errno, error.strerror, self._name) from error


class CleanStream:
    """A stream for people. What colours a table writes past it, to `rich_proxied_file`, whose texts are clean before."""

    def __init__(self, stream: TextIO, name: str = "") -> None:
        # The name by which rich asks for the stream behind one that was put in its place.
        self.rich_proxied_file = OpenStream(stream, name)

    def write(self, text: str) -> int:
        """Write it, cleaned."""
        self.rich_proxied_file.write(clean(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def cleaned() -> Iterator[None]:
    """Let all that is printed meanwhile be clean, and nothing fail for want of a letter in the terminal's encoding."""
    before = sys.stdout, sys.stderr
    _take(0, os.O_RDONLY)
    streams = [stream or _closed(number) for number, stream in enumerate(before, 1)]
    for stream in streams:
        if getattr(stream, "errors", "") == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    out, err = streams
    sys.stdout, sys.stderr = cast(TextIO, CleanStream(out, STDOUT)), cast(TextIO, CleanStream(err))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in streams:
            _settle(stream)


def write_no_more(stream: TextIO) -> None:
    """Let what is still in its buffers go nowhere, and so what Python says on its way out of what it could not write."""
    with contextlib.suppress(Exception):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _settle(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        write_no_more(stream)


def _closed(number: int) -> TextIO:
    """For a stream that was closed when we were started: what is written to stdout then fails, and to stderr is lost."""
    _take(number, os.O_RDONLY if number == 1 else os.O_WRONLY)
    return open(number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _take(number: int, flags: int) -> None:
    """Let no file that is opened later have the number of a standard stream: it would get what a child prints."""
    try:
        os.fstat(number)
    except OSError:
        given = os.open(os.devnull, flags)
        if given == number:
            os.set_inheritable(given, True)  # as standard streams are
        else:
            os.dup2(given, number)
            os.close(given)
