"""Evidence of a launch, put aside within its case's folder so that the next launch's can take its place."""

from __future__ import annotations

import shutil
from pathlib import Path

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report import files

STAYS = ("case.json",)


def put_away(folder: Path, name: str, verdict: Verdict | None, stays: tuple[str, ...]) -> None:
    """Move what lies in `folder` into `folder/name`, with the verdict of it. What begins with one of `stays` stays."""
    past = folder / name
    shutil.rmtree(past, ignore_errors=True)  # of an earlier run of the case, in the same folder
    past.mkdir()
    for path in list(folder.iterdir()):
        if path.name not in STAYS and path.name != name and not path.name.startswith((".", *stays)):
            path.rename(past / path.name)
    if verdict is not None:  # in the place of the one that was written before its evidence was gathered
        files.replace_json(past / "verdict.json", verdict.to_json())
