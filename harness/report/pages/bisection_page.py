"""The page of a bisection: what was found, and how likely each commit is to be it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockstep.harness.report.pages.rendering import render

ROWS = 300


def bisection_page(report: Mapping[str, Any]) -> str:
    """Of a bisection's report.json."""
    commits = list(report["commits"])
    found = set(report["found"])
    likeliest = max([one["probability"] for one in commits], default=0.0) or 1.0
    return render(
        "bisection.html",
        report=report,
        rows=[{**one, "found": one["commit"] in found, "name": _short(report, one["commit"])} for one in commits[:ROWS]],
        more=max(0, len(commits) - ROWS),
        likeliest=max(likeliest, report["outside"]),
        good=_short(report, report["good"]),
        bad=_short(report, report["bad"]),
    )


def _short(report: Mapping[str, Any], ident: str) -> str:
    return ident[:12] if report["noun"] == "commit" else ident
