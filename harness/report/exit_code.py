"""The exit code of a run, from what its reports say. Pure; docs/verdicts.md has the codes."""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.harness.report.line import Line
from lockstep.harness.report.result import RED, results

EXIT_AS_EXPECTED, EXIT_UNEXPECTED, EXIT_NOTHING_JUDGED, EXIT_UNDETECTED, EXIT_NOT_RUN = 0, 1, 3, 4, 5


def exit_code(lines: Sequence[Line]) -> int:
    """The gravest first: a planted hang was missed, nothing could be judged, some verdict is not as expected or could not
    be had, cases were not run for want of budget."""
    found = results(lines)
    standings = {result.standing for result in found}
    if any(result.undetected for result in found):
        return EXIT_UNDETECTED
    if lines and all(line.standing == "invalid" for line in lines):
        return EXIT_NOTHING_JUDGED
    if standings & set(RED):
        return EXIT_UNEXPECTED
    return EXIT_NOT_RUN if "not-run" in standings else EXIT_AS_EXPECTED
