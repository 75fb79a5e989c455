"""A command line as a shell takes it: what people copy, whatever blanks, quotes or patterns are in it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def command_line(words: Iterable[object]) -> str:
    """The words in one line, each quoted where a shell would make something else of it."""
    return shlex.join(map(str, words))
