"""What a program is called in reports, and its command line: both without what looks like a secret. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

LONGEST = 60
HIDDEN = "***"
SECRET = re.compile(r"token|secret|passw|credential|api[-_]?key|private[-_]?key|access[-_]?key|auth(?!or)", re.IGNORECASE)


def program_name(argv: Sequence[str]) -> str:
    """`train.py --lr 0.1` of `python -u /home/me/train.py --lr 0.1`."""
    words = list(argv)
    if PurePath(words[0]).name.startswith("python"):
        words = _without_python(words)
    shown = " ".join(" ".join([PurePath(words[0]).name, *_hidden(words[1:])]).split())
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3].rstrip()}..."


def redacted(argv: Sequence[str]) -> list[str]:
    """A command line as it may be kept: what looks like a secret has to be given again by who types it."""
    return list(_hidden(argv))


def _without_python(words: list[str]) -> list[str]:
    """From the script or module on; a program that stands on the command line has no other name."""
    for number, word in enumerate(words[1:], 1):
        if word == "-c":
            return ["python", *words[number:]]
        if word == "-m":
            return words[number + 1 :] or words
        if not word.startswith("-"):
            return words[number:]
    return words


def _hidden(words: Sequence[str]) -> Iterator[str]:
    """The arguments, with the value of each option or variable that seems to hold a secret left out."""
    hides = False
    for word in words:
        name, equals, _ = word.partition("=")
        if hides and not word.startswith("-"):
            yield HIDDEN
            hides = False
            continue
        secret = SECRET.search(name) is not None
        yield f"{name}={HIDDEN}" if secret and equals else word
        hides = secret and not equals and word.startswith("-")
