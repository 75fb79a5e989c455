"""Text of others on its way to people: what would act on a terminal is shown instead, as `\\x1b`.

Error messages, paths, arguments and the names in scenario files come from programs and people that are not trusted with the
terminal of whoever reads a report: an escape sequence can retitle it, hide lines, or type.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

# Control characters but for line ends and tabs, what turns the direction of text, and what no encoding holds.
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with everything in it that acts on a terminal as what Python writes for it."""
    return _ACTS.sub(lambda found: ascii(found[0])[1:-1], text) if _ACTS.search(text) else text


class CleanStream:
    """A stream for people. What colours a table writes past it, to `rich_proxied_file`, whose texts are clean before."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream  # the name by which rich asks for the stream behind one that was put in its place

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
    for stream in before:
        if getattr(stream, "errors", "") == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (cast(TextIO, CleanStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
