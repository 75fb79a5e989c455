"""The line: what every report says of one case, made from its verdict file or from the plan alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lockstep.harness.judge.words import ranges
from lockstep.harness.report import waive

NOT_JUDGED = "no verdict: the run ended before this case was judged"
NOT_RUN = "not run"  # the outcome of a case that the run's budget left out


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
    repetition: int = 1  # of `--repeat`, from 1
    attempts: int = 1  # launches until something could be judged; more than 1: the harness failed before
    attempt_texts: str = ""  # what became of the earlier ones, separated by newlines
    memory_bytes: int | None = None  # the most that a rank's device reported
    host_memory_bytes: int | None = None  # the most that a rank's process had of its host's memory
    nodes: str = ""  # host:ranks of each node, separated by ","
    engine_commit: str | None = None  # of the code that its ranks ran; empty: not known; None: a run of an earlier version
    planted: bool = False  # a hang that the run must find: if not, it tells nothing
    waive: str = ""  # until when, whose, and why, if there is one
    waive_kind: str = ""  # always, flaky, or expired
    waived: bool = False  # it failed, in the way that the waive says

    @property
    def standing(self) -> str:
        """`expected`, `unexpected`, `waived`; `invalid` and `not-run`, which are never counted as good or bad."""
        if self.outcome == NOT_RUN:
            return "not-run"
        if self.outcome == "invalid":
            return "invalid"
        if self.ok:
            return "expected"
        return "waived" if self.waived else "unexpected"

    @property
    def words(self) -> str:
        """Outcome, cause and proof in one phrase: `hang (deadlock, proved)`."""
        proof = {True: "proved", False: "not proved", None: ""}[self.proved]
        inside = ", ".join(filter(None, (self.cause, proof)))
        return f"{self.outcome} ({inside})" if inside else self.outcome

    @property
    def verdict_after(self) -> str:
        """From the last block where there was one, as that is what a detector is measured by; else from the start."""
        if self.last_block_to_verdict_s is not None:
            return f"{self.last_block_to_verdict_s:.2f} s"
        return "-" if self.start_to_verdict_s is None else f"{self.start_to_verdict_s:.1f} s"

    def flat(self) -> dict[str, Any]:
        """As a row of cases.jsonl."""
        return asdict(self)


def judged(plan: Mapping[str, Any], raw: Mapping[str, Any]) -> Line:
    """The line of a case from its entry in the plan and its verdict file."""
    blame = raw["blame"]
    attempts = raw.get("attempts", ())
    return Line(
        case=plan["id"],
        scenario=plan["scenario"],
        path=plan["path"],
        slug=plan["slug"],
        outcome=raw["outcome"],
        cause=raw["cause"],
        proved=raw["proved"],
        ok=raw["expected"]["ok"],
        differences="; ".join((*raw["expected"]["differences"], *waive.differences_from(plan.get("waive"), raw))),
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
        attempts=1 + len(attempts),
        attempt_texts="\n".join(f"attempt {one['number']}: {_attempt(one)}" for one in attempts),
        memory_bytes=_memory(raw["ranks"]),
        host_memory_bytes=max(filter(None, (rank.get("host_memory_bytes") for rank in raw["ranks"])), default=None),
        nodes=",".join(f"{place['host']}:{place['ranks']}" for place in raw.get("places", ())),
        waived=waive.holds(plan.get("waive"), raw),
        **_planned(plan),
    )


def not_run(plan: Mapping[str, Any], why: str) -> Line:
    """The line of a planned case for which the run's budget had no room."""
    return replace(not_judged(plan, why), outcome=NOT_RUN, cause="")


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
        judged=False,
        **_planned(plan),
    )


def _planned(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What the plan alone says."""
    terms = plan.get("waive")
    return {
        "mechanism_class": plan.get("mechanism_class", ""),
        "guard": plan.get("guard", ""),
        "repetition": plan.get("repetition", 1),
        "planted": plan.get("planted", False),
        "engine_commit": plan.get("engine_commit"),
        "waive": waive.words(terms),
        "waive_kind": terms["kind"] if terms else "",
    }


def _attempt(attempt: Mapping[str, Any]) -> str:
    if not attempt["outcome"]:
        return str(attempt["text"])
    return f"{attempt['outcome']} ({attempt['cause']}): {attempt['text']}"


def _memory(ranks: Sequence[Mapping[str, Any]]) -> int | None:
    """The largest peak of device memory that a rank reported of itself; None where none did."""
    found: list[int] = []
    for rank in ranks:
        memory = (rank["environment"] or {}).get("memory")
        peak = memory.get("peak_bytes") if isinstance(memory, Mapping) else None
        if isinstance(peak, int):
            found.append(peak)
    return max(found, default=None)


def _words(blame: Mapping[str, Any]) -> str:
    """Why those ranks are blamed, in few words."""
    place = " ".join(filter(None, (blame["phase"], blame["shape"])))
    if blame["by"] != "decision":
        return f"{blame['by']} in {place}" if place else str(blame["by"])
    detail = f" ({blame['detail']})" if blame["detail"] else ""
    return f"{place or blame['site']}: {blame['choice']}{detail}"
