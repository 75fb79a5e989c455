"""summary.md: counts, a table of the cases, and what one needs to know of those that are not as expected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.report import coverage
from harness.report.line import Line
from harness.report.result import GREEN, Result, results, undetected_text

LIMIT_BYTES = 1 << 20  # what CI servers take as a job's summary
_NOTE_BYTES = 512  # kept free for the line that says what was cut
_FIELD_CHARACTERS = 8_000
HEAD = "| case | verdict | expected | blame | time to verdict |\n|---|---|---|---|---|\n"


def render(run: Mapping[str, Any], lines: Sequence[Line], limit: int = LIMIT_BYTES) -> str:
    """The report of a run as Markdown of less than `limit` bytes."""
    found = results(lines)
    missed = undetected_text(found)
    head = f"# Run {run['run']}\n\n" + (f"**{plain(missed)}**\n\n" if missed else "") + f"{counts(lines)}\n\n"
    wrong = [result for result in found if result.standing not in GREEN]
    fine = [result for result in found if result.note and result.standing in GREEN]
    # The details have half of the room; the table, which says the least about the most cases, has what they leave.
    room = limit - len(head.encode()) - len(HEAD) - 3 * _NOTE_BYTES
    covered = _coverage(lines, room // 4)
    room -= len(covered.encode())
    details, kept = _fit(map(_details, wrong), room // 2)
    if kept < len(wrong):
        details += f"Cut here: the details of {len(wrong) - kept} more cases. They are in cases.jsonl.\n"
    notes, kept = _fit(map(_note, fine), room // 8)
    if kept < len(fine):
        notes += f"\nCut here: {len(fine) - kept} more notes. They are in junit.xml.\n"
    rows, kept = _fit(map(_row, found), room - len(details.encode()) - len(notes.encode()))
    if kept < len(found):
        rows += f"\nCut here: {len(found) - kept} more cases. They are in cases.jsonl.\n"
    title = "\n## Not as expected\n\n" if wrong else ""
    return head + HEAD + rows + ("\n" + notes if notes else "") + title + details + covered


def _coverage(lines: Sequence[Line], room: int) -> str:
    """Class and guard against outcome, if there is room for the whole of it."""
    table = coverage.render(lines)
    text = f"\n## Coverage\n\n{table}" if table else ""
    return text if len(text.encode()) <= room else ""


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


def _fit(blocks: Iterator[str], room: int) -> tuple[str, int]:
    """As many blocks as fit into `room` bytes, and how many they are."""
    kept: list[str] = []
    for block in blocks:
        room -= len(block.encode("utf-8", "replace"))
        if room < 0:
            break
        kept.append(block)
    return "".join(kept), len(kept)


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
    blame = f"{line.blame_ranks}: {line.blame_words}" if line.blame_ranks else "-"
    time = "-" if line.start_to_verdict_s is None else f"{line.start_to_verdict_s:.1f} s"
    return f"| {_name(line.case)} | {cell(line.words)} | {STANDING[result.standing]} | {cell(blame)} | {time} |\n"


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
    lists = filter(None, (line.attempt_texts, line.finding_texts))
    parts += ["".join(f"- {plain(text)}\n" for text in texts.splitlines()) for texts in lists]
    if line.judged:
        parts.append(f"Evidence: `cases/{line.slug}/`\n")
    if line.rerun:
        parts.append(_fenced(line.rerun))
    return "\n".join(parts) + "\n"


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{_clip(text)}\n{fence}\n"


def cell(text: str) -> str:
    """Text as one cell of a table, or one line."""
    return plain(text).replace("\n", " ")


def plain(text: str) -> str:
    """Text that Markdown shows as it is, whatever an error message holds."""
    return re.sub(r"([\\`*\[\]<>|#~&]|(?<!\w)_|_(?!\w))", r"\\\1", _clip(text.strip()))


def _name(text: str) -> str:
    """A case's name as code: it has brackets and underscores, and is there to be copied."""
    return cell(text) if re.search(r"[`\\|\n]", text) else f"`{text}`"


def _clip(text: str) -> str:
    if len(text) <= _FIELD_CHARACTERS:
        return text
    return f"{text[:_FIELD_CHARACTERS]} [{len(text) - _FIELD_CHARACTERS} more characters in verdict.json]"
