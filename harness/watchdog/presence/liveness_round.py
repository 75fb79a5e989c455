"""The liveness round: no verdict before every supervisor has shown that it was there after what is judged had happened.

A supervisor that dies takes its rank along, and the rank's peers raise over it, or wait for it for ever. What they report
then is no work of theirs. A supervisor that answers a question asked after that report was alive when it was made, and its
rank's peers cannot have known of a death that had not happened. So what is judged is set down, everybody is asked, and the
verdict is given when all have answered. Who does not answer is silent, and in the end lost: then there is no verdict.

What somebody tells only now (a supervisor that was stopped, a link that was mended) may change what is judged. Then it is
judged again, and everybody is asked once more; what they tell after that is news of a later state.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass


class Step(enum.Enum):
    """What is to be done about a verdict that is certain, or due."""

    BEGIN = "begin"  # set down what is judged now, and call everybody with the present number
    WAIT = "wait"  # somebody has not answered
    COMMIT = "commit"  # give the verdict that was set down


@dataclass(slots=True)
class LivenessRound:
    """`number`: the last call, which grows with every one. The state machine only: no sockets, no clock."""

    number: int = 0
    _round: int = 0  # of this verdict; 0: nothing is judged
    _kind: Hashable = None
    _state: Hashable = None

    def next(self) -> int:
        """The number of a new call."""
        self.number += 1
        return self.number

    def step(self, kind: Hashable, state: Hashable, present: bool) -> Step:
        """`kind`: what sort of verdict it is. `state`: what changes with everything that is judged.

        `present`: whether everybody has answered the call `number`.
        """
        if self._round == 0 or kind != self._kind:
            return self._ask(1, kind, state)
        if not present:
            return Step.WAIT
        if self._round == 1 and state != self._state:
            return self._ask(2, kind, state)
        self._round = 0
        return Step.COMMIT

    def dismiss(self) -> None:
        """What was judged does not hold any more."""
        self._round = 0

    @property
    def open(self) -> bool:
        """Whether a verdict is held back for an answer."""
        return self._round > 0

    def _ask(self, number: int, kind: Hashable, state: Hashable) -> Step:
        self._round, self._kind, self._state = number, kind, state
        self.next()
        return Step.BEGIN
