"""What ends a bisection before it has a result.

BisectionError         exit code 2: what was asked for makes no sense here; nothing or little was launched
└── NotJudged          exit code 3: an end could not be judged
"""

from __future__ import annotations

from lockstep.harness.errors import LockstepError


class BisectionError(LockstepError):
    """Something that the user must change. The message says what."""

    exit_code = 2


class NotJudged(BisectionError):  # noqa: N818
    """An end could not be judged: it does not build, or its launches are invalid."""

    exit_code = 3
