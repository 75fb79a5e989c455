"""What a verdict says of a commit: good, bad, or nothing. Pure.

Bad is the wanted signature and nothing else. Good is a success, or what the good end shows. Another hang, another error
or a crash is `other`: it may hide the wanted hang, so the commit is neither.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Outcome

SIGNATURE = "[0-9a-f]{12}"


class Judgement(str, enum.Enum):
    """What one launch says of its commit."""

    BAD = "bad"
    GOOD = "good"
    OTHER = "other"  # ended in another way than either end
    INVALID = "invalid"  # could not be judged


def classify(verdict: Verdict, wanted: str, also_good: Sequence[str] = ()) -> Judgement:
    """`wanted`: the signature that is bad. `also_good`: signatures that the good end shows; a success has none."""
    if not wanted:
        raise ValueError("an empty signature recognises nothing")
    if verdict.outcome is Outcome.INVALID:
        return Judgement.INVALID
    if verdict.signature == wanted:
        return Judgement.BAD
    if verdict.outcome is Outcome.SUCCESS or verdict.signature in also_good:
        return Judgement.GOOD
    return Judgement.OTHER


def words(verdict: Verdict) -> str:
    """Outcome, cause and signature, for people: `hang (deadlock, proved), signature 3f1a`."""
    proof = {True: "proved", False: "not proved", None: ""}[verdict.proved]
    inside = ", ".join(filter(None, (verdict.cause.value, proof)))
    text = f"{verdict.outcome.value} ({inside})" if inside else verdict.outcome.value
    return f"{text}, signature {verdict.signature}" if verdict.signature else text
