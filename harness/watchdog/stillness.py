"""Since when nothing of a case has moved, and when that is said: after a while, then ever more seldom. No clock."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from lockstep.harness.environment import NOTICE
from lockstep.harness.errors import LockstepError

NOTICE_S = 60
AGAIN = (1, 3, 10, 30)  # times that; then as often as the last
SOONER_S = 10  # where ranks are known to wait for each other, and somebody else may still end it


def notice_s(environ: Mapping[str, str]) -> int:
    """After how many seconds it is said first; 0: never. Raises LockstepError for what is no number of seconds."""
    text = environ.get(NOTICE, "").strip()
    if text and not (text.isascii() and text.isdigit()):
        raise LockstepError(f"{NOTICE}={environ[NOTICE]}: give a whole number of seconds, 0 for never, or unset it")
    return int(text) if text else NOTICE_S


class Stillness:
    """`after_s`: what passes before it is said first; 0: it never is. Times are seconds of one monotonic clock."""

    def __init__(self, after_s: float, now_s: float) -> None:
        self._after_s = after_s
        self._since_s = now_s
        self._marks: Hashable = None
        self._said = 0
        self._said_sooner = False

    def look(self, marks: Hashable, now_s: float) -> None:
        """`marks`: all that is another when something has moved."""
        if marks != self._marks:
            self._marks = marks
            self.moved(now_s)

    def moved(self, now_s: float) -> None:
        """Something has moved now."""
        self._since_s, self._said, self._said_sooner = now_s, 0, False

    def still_s(self, now_s: float) -> float:
        """For how long nothing has moved."""
        return now_s - self._since_s

    def near(self, now_s: float) -> bool:
        """Whether it may soon be said."""
        return 0 < self._after_s <= 2 * self.still_s(now_s)

    def due(self, now_s: float) -> bool:
        """Whether it is to be said now."""
        rounds = self._said - len(AGAIN) + 1  # beyond the last that is listed
        times = AGAIN[self._said] if rounds < 1 else AGAIN[-1] * (1 + rounds)
        return self._after_s > 0 and self.still_s(now_s) >= self._after_s * times

    def due_sooner(self, now_s: float) -> bool:
        """Whether it is to be said now for the first time, where ranks wait for each other."""
        first = not (self._said or self._said_sooner)
        return first and self._after_s > 0 and self.still_s(now_s) >= min(self._after_s, SOONER_S)

    def said(self, now_s: float) -> None:
        """It has been said."""
        self._said_sooner = True
        self._said += self.due(now_s)
