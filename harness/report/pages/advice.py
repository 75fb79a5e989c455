"""What next: what cures a case, as its scenario shows; else where to look and how to go on. Nothing here is a verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lockstep.harness.judge.words import ranks_text
from lockstep.harness.report.coverage import guard_text
from lockstep.harness.report.pages.folder import CaseFolder
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load
from lockstep.harness.shell import command_line
from lockstep.harness.vocabulary import MECHANISMS, Cause, Mechanism, Outcome

_REPORT = re.compile(r"[\w.-]+/[\w.-]+#\d+")


class Advice(NamedTuple):
    """One line: words, then something to type or a place to go to, where there is one."""

    words: str
    code: str = ""
    link: str = ""


BY = {
    "decision": "Let all ranks make this choice together, before the first collective that depends on it: agree on the"
    " condition by an all-reduce, or fail on every rank.",
    "collective": "Either every member of the group calls this operation, or none. Look for the branch, the loop count or"
    " the early return by which {who} went another way; the two columns below begin shortly before it.",
    "message": "Look for the send or receive that has no partner: wrong peer, wrong tag, or one more than the other has.",
    "raised": "Mend the error of {who}. So that such an error ends the job instead of leaving its peers to wait, let the"
    " rank abort the job (MPI_Abort, torchrun's agent) when its program fails.",
    "died": "Find out why {who} died: the last lines of its log are below, the kernel's log tells of a lack of memory.",
    "returned": "{who} ended while others still waited for it: it must take part in what they wait in, or they must not.",
    "running": "{who} stood outside of every wait that is seen: its stack below says where.",
}
CAUSE = {
    Cause.MISMATCH: "Give all members of the group the same operations in the same order; the two columns below show the"
    " first that differs.",
    Cause.LIVELOCK: "Ranks agree again and again on going no further: look at the choice that repeats, and at what could"
    " ever change it.",
    Cause.STALL: "Nothing proves a deadlock: look at the stacks below, and whether what they show can end.",
    Cause.OOM_KILL: "The kernel ended a rank for want of memory: give the job more, or let it use less.",
    Cause.LAUNCH: "Nothing of the program was judged. `lockstep doctor` checks this machine, or all hosts.",
    Cause.NODE_LOST: "Nothing of the program was judged: look after the host that was lost, then run the case again.",
}


SLOW = (
    "Ranks still went on: give the case more time (`--deadline`, `limits.deadline_s`), or find in the timeline what takes so"
    " long."
)
KNOT = (
    "Each of them waits for another of them, and no one of them is the first to blame: one of these waits must not be"
    " reached, or must have an end of its own."
)


def advice(case: CaseFolder) -> list[Advice]:
    """The most useful first; nothing for a clean success."""
    verdict = case.verdict
    if verdict.outcome is Outcome.SUCCESS:
        return []
    blame = verdict.blame
    if verdict.outcome is Outcome.SLOW:
        return [Advice(SLOW), *_again(case.raw)]
    if verdict.outcome is Outcome.INVALID:
        text = CAUSE.get(verdict.cause)
        return [*([Advice(text)] if text else []), *_again(case.raw)]
    found = cures(case.case)
    if verdict.cause in CAUSE and verdict.cause is not Cause.STALL:
        found.append(Advice(CAUSE[verdict.cause]))
    elif blame and blame.by in BY:
        who = ranks_text(blame.ranks)
        message = blame.by == "collective" and any(words in blame.text for words in ("never sent", "never received"))
        text = BY["message" if message else blame.by].format(who=who)
        found.append(Advice(f"{text[0].upper()}{text[1:]}"))
    elif verdict.cause in CAUSE:
        found.append(Advice(CAUSE[verdict.cause]))
    elif verdict.knot:
        found.append(Advice(KNOT))
    return found + _reports(case.case) + _again(case.raw)


def cures(case: Mapping[str, Any]) -> list[Advice]:
    """The points of the same scenario that do not hang."""
    name, path = str(case.get("scenario", "")), str(case.get("path", ""))
    if not path or name == "watch":
        return []
    others = [one for one in _cases(path) if one.id != case.get("id") and one.scenario == name]
    good = [one for one in others if one.expect.outcome == "success"]
    loud = [one for one in others if one.expect.outcome == "raise"]
    found = [Advice("What cures it:", _points(good))] if good else []
    return found + ([Advice("What makes it fail at once instead, with an error:", _points(loud))] if loud else [])


def _points(cases: Sequence[Case]) -> str:
    words = (
        f"guard {guard}"
        if (guard := guard_text(case.point))
        else " ".join(f"{key}={value}" for key, value in case.point.items())
        for case in cases
    )
    return " or ".join(dict.fromkeys(filter(None, words)))


def _reports(case: Mapping[str, Any]) -> list[Advice]:
    """Class and public report of a scenario."""
    found: list[Advice] = []
    kind = str(case.get("mechanism_class") or "")
    if kind in {one.value for one in Mechanism}:
        found.append(
            Advice(
                f"A known kind, {kind}: {MECHANISMS[Mechanism(kind)]}",
                command_line(["lockstep", "show", case.get("scenario")]),
            )
        )
    names = [str(name) for name in case.get("reports") or ()]
    source = str(case.get("source") or "")
    links = [f"https://github.com/{name.replace('#', '/issues/')}" if _REPORT.fullmatch(name) else "" for name in names]
    if source.startswith("https://"):
        links[:1] = [source]  # the first's own page, which may be a pull request, or no page of GitHub
    found += [Advice("Reported upstream:", "", link) for link in links[:3] if link]
    return found


def _again(raw: Mapping[str, Any]) -> list[Advice]:
    again = str(raw.get("rerun") or "")
    return [Advice("Run it again:", again)] if again else []


@lru_cache(maxsize=256)
def _cases(path: str) -> tuple[Case, ...]:
    """Of a scenario's file as it is now; nothing where it is gone, or makes no sense any more."""
    try:
        return tuple(load(Path(path))) if Path(path).is_file() else ()
    except (ScenarioError, OSError, ValueError, LookupError, TypeError):
        return ()
