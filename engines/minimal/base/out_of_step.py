"""Values of another step: what a rank is told whose all-gather met another one of its peers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence


class OutOfStepError(TypeError):
    """An all-gather brought what this step cannot use. Upstream raises a TypeError there; only the words are ours."""


@contextlib.contextmanager
def gathered(values: Sequence[object], what: str) -> Iterator[None]:
    """Around what is done with the values of all ranks. Raises OutOfStepError where they are of a wrong kind."""
    try:
        yield
    except TypeError as error:
        first = {
            type(value): (rank, value) for rank, value in reversed(list(enumerate(values)))
        }  # one of each kind is enough
        got = ", ".join(f"{value!r} from rank {rank}" for rank, value in sorted(first.values(), key=lambda one: one[0]))
        raise OutOfStepError(
            f"the all-gather of {what} brought values of another step ({got}): ranks are no longer in the same one"
        ) from error
