"""summary.md: counts, a table of the cases, and what one needs to know of those that are not as expected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.report import coverage
from harness.report.line import Line

LIMIT_BYTES = 1 << 20  # what CI servers take as a job's summary
_NOTE_BYTES = 512  # kept free for the line that says what was cut
_FIELD_CHARACTERS = 8_000
HEAD = "| case | verdict | expected | blame | time to verdict |\n|---|---|---|---|---|\n"


def render(run: Mapping[str, Any], lines: Sequence[Line], limit: int = LIMIT_BYTES) -> str:
    """The report of a run as Markdown of less than `limit` bytes."""
    head = f"# Run {run['run']}\n\n{counts(lines)}\n\n"
    wrong = [line for line in lines if line.standing != "expected"]
    # The details have half of the room; the table, which says the least about the most cases, has what they leave.
    room = limit - len(head.encode()) - len(HEAD) - 2 * _NOTE_BYTES
    covered = _coverage(lines, room // 4)
    room -= len(covered.encode())
    details, kept = _fit(map(_details, wrong), room // 2)
    if kept < len(wrong):
        details += f"Cut here: the details of {len(wrong) - kept} more cases. They are in cases.jsonl.\n"
    rows, kept = _fit(map(_row, lines), room - len(details.encode()))
    if kept < len(lines):
        rows += f"\nCut here: {len(lines) - kept} more cases. They are in cases.jsonl.\n"
    title = "\n## Not as expected\n\n" if wrong else ""
    return head + HEAD + rows + title + details + covered


def _coverage(lines: Sequence[Line], room: int) -> str:
    """Class and guard against outcome, if there is room for the whole of it."""
    table = coverage.render(lines)
    text = f"\n## Coverage\n\n{table}" if table else ""
    return text if len(text.encode()) <= room else ""


def counts(lines: Sequence[Line]) -> str:
    """How it went, in one sentence."""
    found = {word: sum(line.standing == word for line in lines) for word in ("expected", "unexpected", "invalid")}
    return (
        f"{len(lines)} case{'s' * (len(lines) != 1)}: {found['expected']} as expected, "
        f"{found['unexpected']} not as expected, {found['invalid']} could not be judged."
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


def _row(line: Line) -> str:
    blame = f"{line.blame_ranks}: {line.blame_words}" if line.blame_ranks else "-"
    time = "-" if line.start_to_verdict_s is None else f"{line.start_to_verdict_s:.1f} s"
    standing = {"expected": "yes", "unexpected": "**NO**", "invalid": "**not judged**"}[line.standing]
    return f"| {_name(line.case)} | {_cell(line.words)} | {standing} | {_cell(blame)} | {time} |\n"


def _details(line: Line) -> str:
    parts = [f"### {_name(line.case)}\n", f"{plain(line.words)}. {plain(line.text)}\n"]
    if line.differences:
        parts.append(f"Differs from what was expected: {plain(line.differences)}\n")
    if line.blame_text:
        parts.append(f"Blame: {plain(line.blame_text)}\n")
    if line.finding_texts:
        parts.append("".join(f"- {plain(text)}\n" for text in line.finding_texts.splitlines()))
    if line.judged:
        parts.append(f"Evidence: `cases/{line.slug}/`\n")
    if line.rerun:
        parts.append(_fenced(line.rerun))
    return "\n".join(parts) + "\n"


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{_clip(text)}\n{fence}\n"


def _cell(text: str) -> str:
    return plain(text).replace("\n", " ")


def plain(text: str) -> str:
    """Text that Markdown shows as it is, whatever an error message holds."""
    return re.sub(r"([\\`*\[\]<>|#~&]|(?<!\w)_|_(?!\w))", r"\\\1", _clip(text.strip()))


def _name(text: str) -> str:
    """A case's name as code: it has brackets and underscores, and is there to be copied."""
    return _cell(text) if re.search(r"[`\\|\n]", text) else f"`{text}`"


def _clip(text: str) -> str:
    if len(text) <= _FIELD_CHARACTERS:
        return text
    return f"{text[:_FIELD_CHARACTERS]} [{len(text) - _FIELD_CHARACTERS} more characters in verdict.json]"
