"""docs/cluster.md as tests see it: its commands, its host file, its tables."""

from __future__ import annotations

import re

from .checkout import BASELINE, ROOT

PAGE = (ROOT / "docs" / "cluster.md").read_text()


def commands(*kinds: str) -> str:
    """The commands of these kinds, in the order of the page, as one script."""
    found = re.findall(r"<!-- (\w+) -->\n```\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == PAGE.count("\n```\n") // 2 - 1  # every block but the host file is of a kind
    return "".join(text for kind, text in found if kind in kinds)


def parts(script: str) -> tuple[str, str]:
    """A script in two: all until the baseline is there, and the rest."""
    first, made, rest = script.partition(f"--output {BASELINE}\n")
    assert made
    return first + made, "source .venv/bin/activate\n" + rest


def host_file() -> str:
    """The host file of the page."""
    (text,) = re.findall(r"<!-- file: hosts.txt -->\n```\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def first_cells(head: str) -> list[str]:
    """The words in backquotes, or the numbers, of the first column of the table that has this head."""
    rows = PAGE.split(head, 1)[1].splitlines()[2:]
    cells = [row.split("|")[1].strip() for row in rows[: next(n for n, row in enumerate(rows) if not row.startswith("|"))]]
    return [cell.strip("`") for cell in cells]
