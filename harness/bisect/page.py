"""The report of a bisection: a page and Markdown for people, JSON for programs, and the end of it on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from lockstep.harness.bisect.account import Account, Line
from lockstep.harness.bisect.repository import counted
from lockstep.harness.report import files
from lockstep.harness.report.markdown import plain
from lockstep.harness.report.pages.make import make_bisection_page

MARKDOWN, JSON = "report.md", "report.json"


def write(folder: Path, found: Account) -> Path | None:
    """Write both files, and the page, which it gives; None where it could not be made."""
    files.replace_json(folder / JSON, found.to_json())
    files.replace(folder / MARKDOWN, render(found))
    return make_bisection_page(folder, found.to_json())


def render(found: Account) -> str:
    """The report as Markdown."""
    what = f"first {'fixed' if found.find == 'fixed' else 'bad'} {found.noun}"
    head = [
        f"# Bisection: {what}",
        plain(found.text),
        "".join(f"- `{sha}`\n" for sha in found.found).rstrip(),
        "\n".join(["```", *found.details, "```"]) if found.details else "",
        f"Case `{found.case}` of {plain(found.repository)}: {counted(found.noun, found.suspects)} between "
        f"`{found.short(found.good)}` (good) and `{found.short(found.bad)}` (bad), {found.launches} launches. Bad is a "
        f"verdict with signature `{found.wanted}`; a success, or what the good end "
        "shows, is good; anything else says nothing.",
        *found.missed,
    ]
    table = [
        f"| {found.noun} | number | subject | hangs | clean | probability | verdicts |",
        "|---|---|---|---|---|---|---|",
        *(_row(line, found.short(line.commit)) for line in found.commits),
        f"| none of the range | | | | | {found.outside:.4f} | |",
    ]
    return "\n\n".join(filter(None, head)) + "\n\n" + "\n".join(table) + "\n"


def _row(line: Line, name: str) -> str:
    links = "; ".join(f"[{plain(shown.words)}]({shown.file})" for shown in line.verdicts)
    end, skipped = f"({line.end} end)" if line.end else "", f"(skipped: {line.skipped})" if line.skipped else ""
    subject = plain(" ".join(filter(None, (line.subject, end, skipped)))).replace("\n", " ")
    chance = f"{line.probability:.4f}" if line.probability else "0"
    cells = (f"`{name}`", str(line.number), subject, str(line.hangs), str(line.clean), chance, links or "-")
    return f"| {' | '.join(cells)} |"


def show(found: Account, file: TextIO | None = None) -> None:
    """Print the end of a bisection, for people."""
    file = file or sys.stderr
    print(found.text, file=file)
    for line in found.details:
        print(f"  {line}".rstrip(), file=file)
    for sha in () if found.details else found.found[:20]:
        print(f"  {sha}", file=file)
    if len(found.found) > 20 and not found.details:
        print(f"  and {len(found.found) - 20} more", file=file)
    for sentence in found.missed:
        print(sentence, file=file)
