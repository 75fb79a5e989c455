"""The scope of a case: everything is ended, in reverse, whatever fails on the way. Pure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lockstep.harness.judge.verdict import Finding
from lockstep.harness.vocabulary import FindingKind
from lockstep.harness.watchdog.case_scope import CaseScope

LEAK = Finding(FindingKind.LEAK, "something stayed")


def filled(scope: CaseScope, ended: list[str]) -> None:
    """Three things to end, of which the second cannot be ended and the last to end finds something."""

    def end(name: str) -> Callable[[], list[Finding]]:
        def call() -> list[Finding]:
            ended.append(name)
            if name == "job":
                raise OSError("no such process")
            return [LEAK] if name == "files" else []

        return call

    for name in ("files", "job", "guard"):
        scope.ends_with(f"the {name}", end(name))


def test_all_are_ended_in_reverse() -> None:
    """One that fails keeps no other from being ended, and is a finding beside those that the others made."""
    ended: list[str] = []
    with CaseScope() as scope:
        filled(scope, ended)
    assert ended == ["guard", "job", "files"]
    assert not scope.failed
    assert [finding.kind for finding in scope.findings] == [FindingKind.EVIDENCE_LOST, FindingKind.LEAK]
    assert scope.findings[0].text == "the end of the job failed: OSError: no such process"
    assert "Traceback" in scope.findings[0].facts["traceback"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_ends_them_too(error: type[BaseException]) -> None:
    """Ctrl-C, or a fault of ours, ends everything as well, and goes on its way."""
    ended: list[str] = []
    scope = CaseScope()
    with pytest.raises(error), scope:
        filled(scope, ended)
        raise error
    assert ended == ["guard", "job", "files"]
    assert scope.failed
