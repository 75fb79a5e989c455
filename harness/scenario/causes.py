"""Of the problems of a file those that are causes: what follows from a key that is misspelt is not told beside it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from lockstep.harness.scenario.errors import Problem

UNKNOWN_KEY = "unknown key"
NO_ENTRY = "no entry fits"
NOTHING = "names nothing that can vary"
_WHEN = re.compile(r"expect\[\d+\]\.when\.")


def causes(problems: Sequence[Problem]) -> list[Problem]:
    """Without what the others bring about: a point that no entry fits, since one is misspelt; a `when` without its key."""
    wrong = {problem for problem in problems if problem.what.startswith((UNKNOWN_KEY, NOTHING))}
    whens = {problem for problem in problems if _WHEN.match(problem.path)}
    if any(problem.path.startswith("matrix.") for problem in wrong):
        wrong, problems = wrong | whens, [problem for problem in problems if problem not in whens]
    if wrong | whens:
        problems = [problem for problem in problems if not problem.what.startswith(NO_ENTRY)]
    return list(problems)


def meant(name: object, known: Collection[str], there: str) -> str:
    """What to do about a name that nobody knows: what was probably meant, else what there is."""
    cutoff = 0.8 if "." in str(name) else 0.6  # keys of one section are alike by that section's name
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else there
