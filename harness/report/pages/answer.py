"""The answer of a case in ten seconds: how it ended, who did it, where it stands, and who waits for whom."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockstep.harness.judge.stack_text import Frame
from lockstep.harness.judge.verdict import Blame, Verdict
from lockstep.harness.judge.words import capital, ranks_text
from lockstep.harness.report.pages.advice import Advice
from lockstep.harness.report.pages.folder import CaseFolder
from lockstep.harness.report.pages.stack_tree import Leaf, StackTree
from lockstep.harness.report.pages.wait_graph import short
from lockstep.harness.vocabulary import FindingKind, Outcome

_FOLDERS = re.compile(r"(?<=[ (])(?:[^\s()/]*/)+(?=[^\s/]+:\d+)")  # of a file, before its line
_FRAME = re.compile(r'^ *File "([^"\n]+)", line (\d+)(?:, in ([^\n]+))?', re.MULTILINE)
HEADLINE = 240  # characters
FIGURES = 8  # of a decision, in columns


@dataclass(frozen=True, slots=True)
class Answer:
    """`badge`: outcome, cause and proof. `facts`: name and text, in the order in which one asks."""

    badge: str
    outcome: str
    sentence: str
    now: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What some ranks chose, and by which figures."""

    ranks: str
    choice: str
    figures: tuple[str, ...]
    blamed: bool
    free: int | None  # what there was and what was needed, where figures say so
    needed: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on which ranks differ."""

    name: str
    columns: tuple[str, ...]
    choices: tuple[Choice, ...]
    most: int  # the largest figure of free and needed


def answer(case: CaseFolder, stacks: StackTree, advice: Sequence[Advice]) -> Answer:
    """Of a case that was judged."""
    verdict = case.verdict
    proof = {True: "proved", False: "not proved", None: ""}[verdict.proved]
    badge = " · ".join(filter(None, (verdict.outcome.value, verdict.cause.value, proof)))
    sentence, now = _short(*_sentences(verdict))
    facts: list[tuple[str, str]] = []
    if verdict.blame:
        facts.append(("Blamed", _who(verdict, verdict.blame)))
    busy = "" if verdict.blame else _busy(verdict, stacks)
    if busy:
        facts.append(("In no known wait", busy))
    decided = verdict.blame if verdict.blame and verdict.blame.by == "decision" else None
    if decided:
        facts.append(("Decision", " ".join(filter(None, (decided.site, decided.shape, "→", decided.choice)))))
    line = _line(verdict, stacks)
    if line:
        facts.append(("Stands now at" if decided else "Line", line))  # a decision is made elsewhere, and earlier
    cure = next((one for one in advice if one.words.startswith("What cures it")), None) or next(iter(advice), None)
    if cure:
        name = "Cure" if cure.code and "cures" in cure.words else "Run it again" if cure.code else "Next"
        facts.append((name, cure.code or cure.words))
    return Answer(badge, verdict.outcome.value, sentence, now, tuple(facts))


def _sentences(verdict: Verdict) -> tuple[str, str]:
    """Why, without the figures that the table shows; and who waits now."""
    blame = verdict.blame
    if not blame or not blame.text:
        text = _FOLDERS.sub("", verdict.text.removeprefix("Now "))
        return capital(text), ""
    why = blame.text.rstrip(".")
    before, told, _ = verdict.text.partition(why)
    rest = verdict.text.replace(why, "", 1).strip(" .")
    figures = f" ({blame.detail})"
    if blame.by == "decision" and blame.detail and figures in why:
        why = why.replace(figures, "", 1)
    why = f"{_FOLDERS.sub('', why)}."
    if told and before.strip():  # what is seen comes first where it does not follow from who is blamed
        return before.strip(), why
    return why, f"{rest}." if rest else ""


def _short(sentence: str, now: str) -> tuple[str, str]:
    """A headline is read at one look; the whole of a long one stands below it."""
    if len(sentence) <= HEADLINE:
        return sentence, now
    return f"{sentence[:HEADLINE].rpartition(' ')[0] or sentence[:HEADLINE]} ...", f"{sentence} {now}".strip()


def _who(verdict: Verdict, blame: Blame) -> str:
    ends = {end.rank: end for end in verdict.ranks}
    hosts = list(dict.fromkeys(ends[rank].host for rank in blame.ranks if rank in ends and ends[rank].host))
    where = f" on {', '.join(hosts[:3])}{' ...' if len(hosts) > 3 else ''}" if hosts else ""
    detail = f" ({blame.detail})" if blame.by == "decision" and blame.detail else ""
    return f"{capital(ranks_text(blame.ranks))} of {len(verdict.ranks)}{where}{detail}"


def _line(verdict: Verdict, stacks: StackTree) -> str:
    """Where the blamed ranks stand: in their own program, as the wait says or else as their stacks do."""
    if verdict.blame is None:
        return ""
    who = verdict.blame.ranks
    sites = list(dict.fromkeys(line.site for line in verdict.knot if line.rank in who and line.site))
    if sites:
        return _near(sites[0])
    errors = [end.traceback for end in verdict.ranks if end.rank in who and end.traceback]
    if errors and (raised := _raised_at(errors[0])):
        return _near(raised)
    own = next((leaf for leaf in stacks.leaves if set(leaf.ranks) & set(who)), None)
    return verdict.blame.site if own is None else ", in ".join(map(_near, stands_at(verdict, own)))


def stands_at(verdict: Verdict, leaf: Leaf) -> tuple[str, ...]:
    """The line that tells most of a place, then the innermost one of the program where that is another.

    It is the one that its wait was recorded with, if it is of this stack: a rank has several. Else who called what may be
    the program's own small library of wrappers.
    """
    lines = {_file_line(place): place for place, _, _ in leaf.frames}
    recorded = (_file_line(line.site) for line in verdict.knot if line.rank in leaf.ranks and line.site)
    first = next((lines[site] for site in recorded if site in lines), leaf.caller)
    return (first, leaf.site) if first and first != leaf.site else (leaf.site,)


def _file_line(site: str) -> str:
    """Without folders and function, which a recorder and a stack may tell in other ways."""
    return short(site).partition(" in ")[0]


def _busy(verdict: Verdict, stacks: StackTree) -> str:
    """Where those stand who are in no known wait, when a hang has nobody to blame."""
    running = {end.rank for end in verdict.ranks if end.status == "running"} if verdict.outcome is Outcome.HANG else set()
    leaf = next((leaf for leaf in stacks.leaves if leaf.ranks and set(leaf.ranks) <= running), None)
    return f"{leaf.who} at {', in '.join(map(_near, stands_at(verdict, leaf)))}" if leaf else ""


def _raised_at(traceback: str) -> str:
    """The innermost line of the program in a traceback."""
    frames = [Frame(one[3], one[1], int(one[2]), "") for one in _FRAME.finditer(traceback)]
    own = next((frame for frame in reversed(frames) if frame.is_program), None)
    return own.site() if own else ""


def _near(site: str) -> str:
    """With the last folder only: the whole of it stands with the stacks."""
    file, colon, rest = site.partition(":")
    return f"{'/'.join(file.split('/')[-2:])}{colon}{rest}"


def decisions(verdict: Verdict) -> list[Decision]:
    """Those on which ranks differ, with their figures; that of the blame first."""
    own = verdict.blame.site if verdict.blame else ""
    facts = [dict(one.facts) for one in verdict.findings if one.kind is FindingKind.DIVERGENT_DECISION]
    facts = [one for one in facts if isinstance(one.get("choices"), Mapping)]
    blamed = set(verdict.blame.ranks if verdict.blame else ())
    facts.sort(key=lambda one: one.get("site") != own)
    return [_decision(one, blamed) for one in facts[:4]]


def _decision(facts: Mapping[str, Any], blamed: set[int]) -> Decision:
    details = facts.get("details") or {}
    rows: dict[tuple[str, str], list[int]] = {}
    for choice, ranks in facts["choices"].items():
        for rank in ranks:
            rows.setdefault((str(choice), str(details.get(str(rank), ""))), []).append(rank)
    parsed = {row: dict(word.partition("=")[::2] for word in row[1].split() if "=" in word) for row in rows}
    columns = tuple(dict.fromkeys(key for figures in parsed.values() for key in figures))[:FIGURES]
    choices = [
        Choice(
            capital(ranks_text(ranks)),
            row[0],
            tuple(parsed[row].get(key, "") for key in columns),
            bool(blamed & set(ranks)),
            _figure(parsed[row], "free"),
            _figure(parsed[row], "needed"),
        )
        for row, ranks in sorted(rows.items(), key=lambda item: (not blamed & set(item[1]), item[1]))
    ]
    most = max([1, *(figure for one in choices for figure in (one.free, one.needed) if figure is not None)])
    return Decision(f"{facts.get('site', '')} {facts.get('key', '')}".strip(), columns, tuple(choices[:20]), most)


def _figure(figures: Mapping[str, str], begin: str) -> int | None:
    text = next((value for key, value in figures.items() if key.startswith(f"{begin}_")), "")
    return int(text) if text.isdigit() and len(text) < 16 else None
