"""The baseline: what a run found, in a form to keep under version control and to compare later runs with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lockstep.harness.report.line import Line

SCHEMA = "lockstep.baseline/1"


def baseline(run: Mapping[str, Any], lines: Sequence[Line]) -> dict[str, Any]:
    """The run's command, environment and verdicts; figures measured beside it may be added under `figures`.

    Raises ValueError when a case of the run has no verdict: a baseline with holes would pass for a complete one.
    """
    missing = [line.case for line in lines if not line.judged]
    if missing:
        raise ValueError(f"{len(missing)} cases of run {run['run']} have no verdict: {', '.join(missing[:3])}")
    return {
        "schema": SCHEMA,
        "run": run["run"],
        "argv": [Path(run["argv"][0]).name, *run["argv"][1:]],  # where it was installed tells nothing
        "started": run["started"],
        "environment": run["environment"],
        "seconds": sum(line.seconds or 0.0 for line in lines),
        "figures": {},
        "cases": [entry(line) for line in lines],
    }


def render(run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """The baseline as JSON, in lines that a diff can tell apart."""
    return json.dumps(baseline(run, lines), indent=1) + "\n"


def entry(line: Line) -> dict[str, Any]:
    """One repetition of a case, as a baseline has it."""
    return {
        "case": line.case,
        "device": line.device,
        "outcome": line.outcome,
        "cause": line.cause,
        "proved": line.proved,
        "blame": line.blame_ranks,
        "by": line.blame_words,
        "findings": sorted(set(filter(None, line.findings.split(",")))),
        "signature": line.signature,
        "as_expected": line.ok,
        "differences": line.differences,
        "last_block_to_verdict_s": line.last_block_to_verdict_s,
        "seconds": line.seconds,
        "repetition": line.repetition,
        "memory_bytes": line.memory_bytes,
        "host_memory_bytes": line.host_memory_bytes,
        "waived": line.waived,
    }
