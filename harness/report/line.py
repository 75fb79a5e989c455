"""The line: what every report says of one case, made from its verdict file or from the plan alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.judge.words import ranges

NOT_JUDGED = "no verdict: the run ended before this case was judged"


@dataclass(frozen=True, slots=True)
class Line:
    """One case in the reports. Scalars only, so that a file of lines is a flat table."""

    case: str
    scenario: str
    path: str  # of the scenario file
    slug: str  # folder under cases/
    outcome: str
    cause: str
    proved: bool | None
    ok: bool
    differences: str  # separated by "; "
    blame_ranks: str  # "3" or "0-2,5"
    blame_by: str
    blame_words: str  # in few words
    blame_text: str
    text: str
    findings: str  # kinds, separated by ","
    finding_texts: str  # separated by newlines
    signature: str
    last_block_to_verdict_s: float | None
    start_to_verdict_s: float | None
    seconds: float | None  # the whole case: launch, verdict, evidence, teardown
    events: int
    events_lost: int
    rerun: str
    recorded: str  # ISO time, UTC
    device: str = ""  # cpu or cuda
    mechanism_class: str = ""
    guard: str = ""  # what the point of the matrix sets of the guards
    judged: bool = True  # false: no verdict on disk

    @property
    def standing(self) -> str:
        """`expected`, `unexpected`, or `invalid`, which is never counted as good or bad."""
        if self.outcome == "invalid":
            return "invalid"
        return "expected" if self.ok else "unexpected"

    @property
    def words(self) -> str:
        """Outcome, cause and proof in one phrase: `hang (deadlock, proved)`."""
        proof = {True: "proved", False: "not proved", None: ""}[self.proved]
        inside = ", ".join(filter(None, (self.cause, proof)))
        return f"{self.outcome} ({inside})" if inside else self.outcome

    def flat(self) -> dict[str, Any]:
        """As a row of cases.jsonl."""
        return asdict(self)


def judged(plan: Mapping[str, Any], raw: Mapping[str, Any]) -> Line:
    """The line of a case from its entry in the plan and its verdict file."""
    blame = raw["blame"]
    return Line(
        case=plan["id"],
        scenario=plan["scenario"],
        path=plan["path"],
        slug=plan["slug"],
        outcome=raw["outcome"],
        cause=raw["cause"],
        proved=raw["proved"],
        ok=raw["expected"]["ok"],
        differences="; ".join(raw["expected"]["differences"]),
        blame_ranks=ranges(blame["ranks"]) if blame else "",
        blame_by=blame["by"] if blame else "",
        blame_words=_words(blame) if blame else "",
        blame_text=blame["text"] if blame else "",
        text=raw["text"],
        findings=",".join(finding["kind"] for finding in raw["findings"]),
        finding_texts="\n".join(f"{finding['kind']}: {finding['text']}" for finding in raw["findings"]),
        signature=raw["signature"],
        last_block_to_verdict_s=raw["last_block_to_verdict_s"],
        start_to_verdict_s=raw["start_to_verdict_s"],
        seconds=raw["seconds"],
        events=raw["events"],
        events_lost=raw["events_lost"],
        rerun=raw["rerun"],
        recorded=raw["recorded"],
        device=raw["device"],
        mechanism_class=plan.get("mechanism_class", ""),
        guard=plan.get("guard", ""),
    )


def not_judged(plan: Mapping[str, Any], text: str = NOT_JUDGED) -> Line:
    """The line of a planned case that has no verdict."""
    return Line(
        case=plan["id"],
        scenario=plan["scenario"],
        path=plan["path"],
        slug=plan["slug"],
        outcome="invalid",
        cause="harness",
        proved=None,
        ok=False,
        differences="",
        blame_ranks="",
        blame_by="",
        blame_words="",
        blame_text="",
        text=text,
        findings="",
        finding_texts="",
        signature="",
        last_block_to_verdict_s=None,
        start_to_verdict_s=None,
        seconds=None,
        events=0,
        events_lost=0,
        rerun="",
        recorded="",
        mechanism_class=plan.get("mechanism_class", ""),
        guard=plan.get("guard", ""),
        judged=False,
    )


def _words(blame: Mapping[str, Any]) -> str:
    """Why those ranks are blamed, in few words."""
    place = " ".join(filter(None, (blame["phase"], blame["shape"])))
    if blame["by"] != "decision":
        return f"{blame['by']} in {place}" if place else str(blame["by"])
    detail = f" ({blame['detail']})" if blame["detail"] else ""
    return f"{place or blame['site']}: {blame['choice']}{detail}"
