"""What lies in the folder of a case: its evidence, and the attempts before the one that its verdict is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lockstep.harness.report import names
from lockstep.harness.report.files import read_object

MADE = ("verdict.json", "report.html")  # of the rest, not beside it
KILLED = "the run was ended before this attempt was judged"


def attempts_in(folder: Path) -> list[dict[str, Any]]:
    """The earlier attempts, as verdict.json names them."""
    found: list[dict[str, Any]] = []
    for path in folder.glob(f"{names.ATTEMPT}*"):
        number = names.attempt_number(path.name)
        if number is None:
            continue
        try:
            raw = read_object(path / "verdict.json")
            told = {"outcome": raw["outcome"], "cause": raw["cause"], "text": raw["text"]}
        except (OSError, ValueError, KeyError, TypeError):
            told = {"outcome": "", "cause": "", "text": KILLED}
        found.append({"number": number, **told, "folder": path.name})
    return sorted(found, key=lambda one: int(one["number"]))


def evidence_in(folder: Path) -> list[str]:
    """All files but the verdict and what is made of it, relative to the folder."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path not in [folder / name for name in MADE] and not path.name.startswith(".")
    )
