"""summary.md: counts, what one needs to know of the cases that are not as expected, and a table of all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lockstep.harness.report import coverage
from lockstep.harness.report.facts import facts
from lockstep.harness.report.line import Line
from lockstep.harness.report.result import GREEN, STANDINGS, UNDETECTED, Result, results, undetected_text
from lockstep.harness.terminal import clean

LIMIT_BYTES = 1 << 20  # what CI servers take as a job's summary
NOTE_BYTES = 256  # kept free for each line that says what was cut
_FIELD_CHARACTERS = 8_000
_CELL_CHARACTERS = 500  # one of thousands of rows
_LIST_ITEMS = 50
HEAD = "\n## Cases\n\n| case | verdict | expected | blame | verdict after |\n|---|---|---|---|---|\n"


def render(run: Mapping[str, Any], lines: Sequence[Line], limit: int = LIMIT_BYTES) -> str:
    """The report of a run as Markdown of less than `limit` bytes (at least 4096).

    First what is wrong, with details, then every case, the gravest first. What does not fit is left out row by row, and it
    is said how much that is.
    """
    found = sorted(results(lines), key=lambda result: STANDINGS.index(result.standing))
    wrong = [result for result in found if result.standing not in GREEN]
    fine = [result for result in found if result.note and result.standing in GREEN]
    head = f"# Run {plain(run['run'])}\n\n" + _missed(found, limit // 8) + f"{counts(lines)}\n"
    # The details have half of the room; the table, which says the least about the most cases, has what they leave.
    room = limit - size(head) - size(HEAD) - 4 * NOTE_BYTES
    details, kept = fit(map(_details, wrong), room // 2)
    if wrong:
        details = f"\n## Not as expected\n\n{details}" + _cut("the details of ", len(wrong) - kept, "cases", "cases.jsonl")
    covered = _coverage(lines, room // 8)
    notes, kept = fit(map(_note, fine), room // 8)
    notes = (f"\n{notes}" if notes else "") + _cut("", len(fine) - kept, "notes", "junit.xml")
    rows, kept = fit(map(_row, found), room - sum(map(size, (details, notes, covered))))
    table = HEAD + rows + _cut("", len(found) - kept, "cases", "cases.jsonl")
    made = "".join(f"- {name}: {_name(value)}\n" for name, value in facts(run, lines))
    made = f"\n## How it was made\n\n{made}" if made else ""
    whole = head + details + table + notes + covered
    return whole + made if size(whole) + size(made) < limit else whole


def _missed(found: Sequence[Result], room: int) -> str:
    """The planted deadlocks that were not detected, before all else; by number where their names do not fit."""
    text = undetected_text(found)
    words = f"**{plain(text)}**\n\n" if text else ""
    if size(words) <= room:
        return words
    return f"**{UNDETECTED}: {sum(result.undetected for result in found)} cases.** See cases.jsonl.\n\n"


def _cut(before: str, count: int, what: str, where: str) -> str:
    return f"\nCut here: {before}{count} more {what}. They are in {where}.\n" if count else ""


def _coverage(lines: Sequence[Line], room: int) -> str:
    """Class and guard against outcome, if there is room for the whole of it."""
    table = coverage.render(lines)
    text = f"\n## Coverage\n\n{table}" if table else ""
    return text if size(text) <= room else ""


def counts(lines: Sequence[Line]) -> str:
    """How it went, in one sentence."""
    found = Counter(result.standing for result in results(lines))
    total = sum(found.values())
    more = (("flaky", "flaky"), ("waived", "waived"), ("not-run", "not run"))
    return (
        f"{total} case{'s' * (total != 1)}: {found['expected']} as expected, "
        f"{found['unexpected']} not as expected, {found['invalid']} could not be judged"
        + "".join(f", {found[key]} {word}" for key, word in more if found[key])
        + "."
    )


def fit(blocks: Iterable[str], room: int) -> tuple[str, int]:
    """As many blocks as fit into `room` bytes, each as a whole, and how many they are."""
    kept: list[str] = []
    for block in blocks:
        room -= size(block)
        if room < 0:
            break
        kept.append(block)
    return "".join(kept), len(kept)


def size(text: str) -> int:
    """Bytes of a text in a file."""
    return len(text.encode("utf-8", "replace"))


STANDING = {
    "expected": "yes",
    "unexpected": "**NO**",
    "invalid": "**not judged**",
    "flaky": "**flaky**",
    "waived": "waived",
    "not-run": "**not run**",
}


def _row(result: Result) -> str:
    line = result.line
    who = "ranks" if set(line.blame_ranks) & set(",-") else "rank"
    blame = f"{who} {line.blame_ranks}: {line.blame_words}" if line.blame_ranks else "-"
    time = line.verdict_after
    texts = (_name(line.case, _CELL_CHARACTERS), cell(line.words), STANDING[result.standing], cell(blame, _CELL_CHARACTERS))
    return f"| {' | '.join((*texts, time))} |\n"


def _note(result: Result) -> str:
    return f"- {_name(result.case)}: {cell(result.note)}\n"


def _details(result: Result) -> str:
    line = result.line
    parts = [f"### {_name(line.case)}\n", f"{plain(line.words)}. {plain(line.text)}\n"]
    if result.note:
        parts.append(f"{plain(result.note)}\n")
    if line.differences:
        parts.append(f"Differs from what was expected: {plain(line.differences)}\n")
    if line.blame_text:
        parts.append(f"Blame: {plain(line.blame_text)}\n")
    parts += [_listed(texts) for texts in (line.attempt_texts, line.finding_texts) if texts]
    if line.judged:
        parts.append(f"Evidence: [`cases/{line.slug}/`](cases/{line.slug}/)\n")
    if line.rerun:
        parts.append(_fenced(line.rerun))
    return "\n".join(parts) + "\n"


def _listed(texts: str) -> str:
    items = texts.splitlines()
    more = f"- and {len(items) - _LIST_ITEMS} more in verdict.json\n" if len(items) > _LIST_ITEMS else ""
    return "".join(f"- {plain(text)}\n" for text in items[:_LIST_ITEMS]) + more


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{clean(_clip(text))}\n{fence}\n"


def cell(text: str, characters: int = _FIELD_CHARACTERS) -> str:
    """Text as one cell of a table, or one line."""
    return re.sub(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", plain(text, characters))


def plain(text: str, characters: int = _FIELD_CHARACTERS) -> str:
    """Text that Markdown shows as it is, whatever an error message holds."""
    return re.sub(r"([\\`*\[\]<>|#~&]|(?<!\w)_|_(?!\w))", r"\\\1", clean(_clip(text.strip(), characters)))


def _name(text: str, characters: int = _FIELD_CHARACTERS) -> str:
    """A case's name as code: it has brackets and underscores, and is there to be copied."""
    simple = text.isprintable() and len(text) <= characters and not re.search(r"[`\\|]", text)
    return f"`{text}`" if simple else cell(text, characters)


def _clip(text: str, characters: int = _FIELD_CHARACTERS) -> str:
    if len(text) <= characters:
        return text
    return f"{text[:characters]} [{len(text) - characters} more characters in verdict.json]"
