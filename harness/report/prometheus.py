"""A run as a Prometheus textfile, for node_exporter's textfile collector: how the night went, in gauges. Pure.

The series of a night are those of the night before: every standing and every cause is there, with 0 where nothing has it.
Only `lockstep_case_failed` has the ids of cases, and only of those that are not as expected.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from lockstep.harness.report.exit_code import exit_code
from lockstep.harness.report.line import NOT_RUN, Line
from lockstep.harness.report.result import GREEN, STANDINGS, Result, results
from lockstep.harness.vocabulary import CAUSES

NAMED_CASES = 100  # of those that are not as expected; the others are counted

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric with its samples."""

    name: str
    help: str
    samples: Sequence[tuple[Labels, float]]


def render(run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """The run in Prometheus' text format.

    Every sample has the labels `shard` (`1/2`, empty for a run that is whole) and `device` (as asked for: auto, cpu, cuda):
    a collector takes no sample twice, and one host may have the files of several nights.
    """
    options = run.get("options", {})
    night = {"device": str(options.get("device") or ""), "shard": str(options.get("shard") or "")}
    return "".join(_text(gauge, night) for gauge in gauges(run, lines) if gauge.samples)


def gauges(run: Mapping[str, Any], lines: Sequence[Line]) -> Iterator[Gauge]:
    """What is told of a run."""
    found = results(lines)
    yield Gauge("lockstep_run_info", "The run that the other samples are of; always 1.", [(_info(run), 1)])
    yield _one("run_timestamp_seconds", "When the run was started, Unix time.", _unix(run["started"]))
    ended = max((line.recorded for line in lines if line.recorded), default="")
    yield _one("run_last_verdict_timestamp_seconds", "When its last verdict was written.", _unix(ended) if ended else None)
    yield _one("run_exit_code", "Exit code of `lockstep run`, by what is on disk; 0 is as expected.", exit_code(lines))
    yield _one("run_case_seconds", "Seconds that all its cases took, added up.", sum(line.seconds or 0.0 for line in lines))
    yield from _cases(found)
    yield from _verdicts(lines)
    yield from _planted(found)
    retries = sum(line.attempts - 1 for line in lines)
    yield _one("launch_retries", "Launches that were tried again, as nothing could be judged.", retries)


def _info(run: Mapping[str, Any]) -> Labels:
    """What a run is told apart by: the facts that a baseline goes by too."""
    environment = run["environment"]
    libraries, mpi = environment.get("libraries", {}), environment.get("mpi", {})
    return {
        "run": run["run"],
        "host": str(environment.get("host", "")),
        "lockstep": str(environment.get("lockstep", "")),
        "commit": str(environment.get("commit") or ""),
        "torch": str(libraries.get("torch", "")),
        "mpi": " ".join(str(mpi[key]) for key in ("launcher", "version") if mpi.get(key)),
    }


def _cases(found: Sequence[Result]) -> Iterator[Gauge]:
    count = Counter(result.standing for result in found)
    yield Gauge("lockstep_cases", "Cases by how they stand.", [({"standing": word}, count[word]) for word in STANDINGS])
    scenarios = Counter(result.line.scenario for result in found)
    wrong = [result for result in found if result.standing not in GREEN or result.undetected]
    failed = Counter(result.line.scenario for result in wrong)
    yield Gauge("lockstep_scenario_cases", "Cases of a scenario.", _by_scenario(scenarios, scenarios))
    yield Gauge(
        "lockstep_scenario_cases_failed", "Cases that are neither as expected nor waived.", _by_scenario(scenarios, failed)
    )
    named = [(_named(result), 1.0) for result in wrong[:NAMED_CASES]]
    yield Gauge("lockstep_case_failed", f"A case that is neither as expected nor waived; {NAMED_CASES} at most.", named)
    rest = len(wrong) - len(named)
    yield _one("case_failed_unnamed", "Such cases beyond those that lockstep_case_failed names.", rest)


def _by_scenario(scenarios: Iterable[str], count: Mapping[str, int]) -> list[tuple[Labels, float]]:
    return [({"scenario": name}, count.get(name, 0)) for name in scenarios]


def _named(result: Result) -> Labels:
    line = result.line
    return {"case": result.case, "standing": result.standing, "outcome": line.outcome, "cause": line.cause}


def _verdicts(lines: Sequence[Line]) -> Iterator[Gauge]:
    count = Counter((line.outcome, line.cause) for line in lines)
    kinds = [(outcome.value, cause.value) for outcome, causes in CAUSES.items() for cause in causes] + [(NOT_RUN, "")]
    by_kind = [({"outcome": outcome, "cause": cause}, float(count[outcome, cause])) for outcome, cause in kinds]
    yield Gauge("lockstep_verdicts", "Verdicts by outcome and cause, each repetition by itself.", by_kind)
    times = [line.last_block_to_verdict_s for line in lines if line.last_block_to_verdict_s is not None]
    figures: list[tuple[Labels, float]] = [({"of": "median"}, median(times)), ({"of": "max"}, max(times))] if times else []
    yield Gauge("lockstep_last_block_to_verdict_seconds", "From the last block of a proved hang to its verdict.", figures)


def _planted(found: Sequence[Result]) -> Iterator[Gauge]:
    planted = [result for result in found if result.lines[0].planted]
    missed = sum(result.undetected for result in planted)
    yield _one("planted_hangs", "Hangs that this run had to find.", len(planted))
    yield _one("planted_hangs_undetected", "Those of them that it has not found: nothing it says can be relied on.", missed)


def _one(name: str, help: str, value: float | None) -> Gauge:
    """A metric of one sample; of none where there is nothing to tell."""
    return Gauge(f"lockstep_{name}", help, [] if value is None else [({}, value)])


def _unix(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _text(gauge: Gauge, more: Labels) -> str:
    rows = [f"# HELP {gauge.name} {_escaped(gauge.help)}", f"# TYPE {gauge.name} gauge"]
    for labels, value in gauge.samples:
        inside = ",".join(f'{name}="{_quoted(text)}"' for name, text in {**more, **labels}.items())
        rows.append(f"{gauge.name}{{{inside}}} {_number(value)}")
    return "\n".join(rows) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    """A label's value: what the format escapes, and nothing that UTF-8 cannot hold."""
    return _escaped(text).replace('"', '\\"').encode("utf-8", "replace").decode()
