"""Reports made again from what is on disk, also after the run was killed. The verdict files and the plan are enough."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from lockstep.harness.report import annotation, baseline, files, junit, markdown, prometheus
from lockstep.harness.report.destination import written
from lockstep.harness.report.line import Line
from lockstep.harness.report.store import RunStore


def rebuild(run_dir: Path, format: str | None = None, out: TextIO | None = None, output: Path | None = None) -> list[Line]:
    """Write cases.jsonl, junit.xml and summary.md of a run anew; with a format also print that report to `out`.

    With `output` it goes into that file instead: a reader finds the whole of it or what was there before. Into a pipe, a
    device, or what a link names, it is written as it comes.

    A planned case without a verdict is `invalid` in the reports; no verdict file is made for it. Doing it twice
    changes nothing. Raises ValueError for an unknown format or a folder that holds no run.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"report format {format!r} is unknown; there are {', '.join(FORMATS)}")
    store = RunStore.open(run_dir)
    store.repair()
    if format is not None:
        text = FORMATS[format](store.run, store.lines)
        if output is None:
            (out or sys.stdout).write(text)
        else:
            with written("--output", output):
                files.write_as_named(output, text)
    return store.lines


def json_lines(run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """One JSON object a planned case; `judged` is false where there is no verdict."""
    return "".join(json.dumps({"run": run["run"], **line.flat()}) + "\n" for line in lines)


FORMATS: dict[str, Callable[[Mapping[str, Any], Sequence[Line]], str]] = {
    "baseline": baseline.render,
    "codequality": annotation.codequality,
    "github": annotation.github,
    "md": markdown.render,
    "junit": junit.render,
    "json": json_lines,
    "prometheus": prometheus.render,
}
