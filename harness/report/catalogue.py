"""The catalogue: every scenario by mechanism class, with what happens at each point and what cures it, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.judge.words import ranks_text
from lockstep.harness.report.coverage import guard_text
from lockstep.harness.scenario.case import Case
from lockstep.harness.vocabulary import MECHANISMS, Mechanism

GOOD = {"success": "cured by", "raise": "fails loudly with"}
HEAD = """\
# Catalogue

Start-up hangs that were reported in public, as scenarios that show them and fixes that cure them. `lockstep catalogue`
prints this page from the scenario files; `make catalogue` runs them all. Each row of a table is one case: what its point of
the matrix sets, what happens, whom the verdict must blame and for which decision, and the fix that it stands for, where it
is one.
"""


@dataclass(frozen=True, slots=True)
class NotModelled:
    """A public report for which there is no scenario."""

    report: str
    mechanism_class: str
    source: str
    reason: str


def render(cases: Sequence[Case], without: Sequence[NotModelled]) -> str:
    """The page. Cases without a class (controls) are left out."""
    by_class = {name.value: [case for case in cases if case.mechanism_class == name.value] for name in Mechanism}
    parts = [HEAD, _overview(by_class, without)]
    for name, found in by_class.items():
        if found:
            parts.append(f"## {name}\n\n{MECHANISMS[Mechanism(name)]}\n")
            parts += _scenarios(found)
    parts.append(_not_modelled(without))
    return "\n".join(parts)


def _overview(by_class: Mapping[str, Sequence[Case]], without: Sequence[NotModelled]) -> str:
    rows = ["| class | what diverges | reports | scenarios | cases | not modelled |", "|---|---|---|---|---|---|"]
    reports: set[str] = set()
    for name, cases in by_class.items():
        found = {report for case in cases for report in case.reports}
        reports |= found
        missing = sum(one.mechanism_class == name for one in without)
        link = f"[{name}](#{name.lower()})" if cases else name
        scenarios = len({case.scenario for case in cases})
        rows.append(f"| {link} | {MECHANISMS[Mechanism(name)]} | {len(found)} | {scenarios} | {len(cases)} | {missing} |")
    total = [case for cases in by_class.values() for case in cases]
    scenarios = len({case.scenario for case in total})
    rows.append(f"| all | | {len(reports)} | {scenarios} | {len(total)} | {len(without)} |")
    return "\n".join(rows) + "\n"


def _scenarios(cases: Sequence[Case]) -> Iterator[str]:
    for name in dict.fromkeys(case.scenario for case in cases):
        yield _scenario([case for case in cases if case.scenario == name])


def _scenario(cases: Sequence[Case]) -> str:
    first = cases[0]
    reports = ", ".join(first.reports) or "no report"
    needs = " Needs a GPU." if first.spec["device"] == "cuda" else ""
    rows = ["| point | what happens | blamed | note |", "|---|---|---|---|", *map(_row, cases)]
    return (
        f"### {first.scenario}\n\n[{reports}]({first.source}): {first.summary}{needs}\n\n{_cures(cases)}"
        + "\n".join(rows)
        + f"\n\n```sh\nlockstep run {first.scenario}\n```\n"
    )


def _row(case: Case) -> str:
    return f"| {_point(case)} | {_outcome(case)} | {_blamed(case)} | {_cell(case.note)} |"


def _point(case: Case) -> str:
    """What this point of the matrix sets."""
    others = {key: value for key, value in case.point.items() if key.partition(".")[0] != "guards"}
    words = [guard_text(case.point), *(f"{key}={json.dumps(value)}" for key, value in others.items())]
    text = " ".join(filter(None, words))
    return f"`{_cell(text)}`" if text else "-"


def _cures(cases: Sequence[Case]) -> str:
    """Which points of a scenario that also hangs do not, and how."""
    if all(case.expect.outcome in GOOD for case in cases):
        return ""
    found = [
        f"{words} {', '.join(dict.fromkeys(_point(case) for case in cases if case.expect.outcome == outcome))}"
        for outcome, words in GOOD.items()
        if any(case.expect.outcome == outcome for case in cases)
    ]
    text = "; ".join(found) or "no cure is shown"
    return f"{text[0].upper()}{text[1:]}.\n\n"


def _outcome(case: Case) -> str:
    expect = case.expect
    cause = f" ({expect.cause})" if expect.cause else ""
    findings = f", {' and '.join(expect.findings)}" if expect.findings else ""
    return f"{expect.outcome}{cause}{findings}"


def _blamed(case: Case) -> str:
    decision = case.expect.decision or {}
    who = ranks_text(case.expect.blame) if case.expect.blame else ""
    site = decision.get("site") or decision.get("phase") or ""
    what = " ".join(str(word) for word in (decision.get("shape"), decision.get("choice")) if word)
    why = f"{site}: {what}" if site and what else site or what
    return _cell(", ".join(filter(None, (who, why))))


def _not_modelled(without: Sequence[NotModelled]) -> str:
    if not without:
        return ""
    rows = ["## Not modelled", "", "| report | class | why not |", "|---|---|---|"]
    rows += [f"| [{one.report}]({one.source}) | {one.mechanism_class} | {_cell(one.reason)} |" for one in without]
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
