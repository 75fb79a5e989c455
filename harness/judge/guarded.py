"""Steps that come after something more important: each is tried by itself, and one that fails is a finding. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

from lockstep.harness.judge.verdict import Finding
from lockstep.harness.vocabulary import FindingKind

T = TypeVar("T")


class Guarded:
    """Tries steps one by one: none costs another, nor what was known before. `findings`: what failed, in order."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def __call__(self, what: str, step: Callable[[], T], otherwise: T) -> T:
        """What a step gives; `otherwise` when it fails. `what`: of what it is, in words."""
        try:
            return step()
        except Exception as error:  # whatever it is, the verdict stands
            text = f"{what} failed: {type(error).__name__}: {error}"
            facts = {"what": what, "traceback": "".join(traceback.format_exception(error))}
            self.findings.append(Finding(FindingKind.EVIDENCE_LOST, text, facts))
            return otherwise
