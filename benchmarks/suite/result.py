"""What watching one program of a suite gave, as it is kept in the file of results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.suite.table import Program, SuiteError
from lockstep.harness.vocabulary import FindingKind

# Of a run that succeeds: what is wrong with the program all the same.
FAULTS = frozenset(
    kind.value
    for kind in (
        FindingKind.MISPAIRED,
        FindingKind.DIFFERING_DATA,
        FindingKind.UNWAITED_REQUEST,
        FindingKind.UNRECEIVED_MESSAGE,
        FindingKind.UNFREED_COMMUNICATOR,
    )
)
NOT_JUDGED = frozenset({"invalid", "not-built", "time-out", "no-verdict"})


@dataclass(frozen=True, slots=True)
class Result:
    """What was said of a program. `outcome` is a verdict's, or says why there is none."""

    name: str
    key: str  # of the program and how it was run: the result is of no other
    outcome: str
    cause: str = ""
    proved: bool = False
    text: str = ""
    blamed: tuple[int, ...] = ()
    findings: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()  # of any source, that the verdict names
    answer_s: float | None = None  # from the last block
    total_s: float = 0.0
    folder: str = ""  # what was kept of the run

    @property
    def judged(self) -> bool:
        """Whether there is a verdict to count."""
        return self.outcome not in NOT_JUDGED

    @property
    def red(self) -> bool:
        """Whether the verdict is anything but a success."""
        return self.judged and self.outcome != "success"

    @property
    def told(self) -> bool:
        """Whether something is said to be wrong with the program, by the verdict or by a finding of a success."""
        return self.red or bool(FAULTS.intersection(self.findings))


def of_verdict(name: str, key: str, raw: Mapping[str, Any], total_s: float, folder: str = "") -> Result:
    """From the JSON of a verdict."""
    blame = raw.get("blame") or {}
    said = " ".join([raw["text"], *(finding["text"] for finding in raw["findings"])])
    said += " ".join(f" {wait['site']}" for wait in raw["knot"])
    return Result(
        name,
        key,
        raw["outcome"],
        raw["cause"],
        bool(raw["proved"]),
        raw["text"],
        tuple(blame.get("ranks", ())),
        tuple(finding["kind"] for finding in raw["findings"]),
        tuple(sorted({int(number) for number in re.findall(r"\.(?:c|cc|cpp|f90|F90|py):(\d+)", said)})),
        raw["last_block_to_verdict_s"],
        total_s,
        folder,
    )


def key_of(program: Program, options: str) -> str:
    """Of the program as it is now, and how it is run."""
    content = program.path.read_bytes() if program.path is not None else b""
    told = json.dumps([program.name, program.command, options]).encode()
    return hashlib.sha256(content + told).hexdigest()[:16]


def read(path: Path) -> dict[str, Result]:
    """The results of a file by their keys; none where there is no file yet. Raises SuiteError where it is no such file."""
    whole = path.read_bytes() if path.exists() else b""
    lines = whole[: whole.rfind(b"\n") + 1].splitlines()  # what follows was cut off: its writer was ended
    results = [_result(f"{path}:{number}", line) for number, line in enumerate(lines, 1)]
    return {result.key: result for result in results}


def _result(place: str, line: bytes) -> Result:
    try:
        raw: dict[str, Any] = json.loads(line)
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
        return Result(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise SuiteError(f"{place}: not a result of this benchmark; choose another --results") from error


def append(path: Path, result: Result) -> None:
    """Add a result, in the place of one that was cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(asdict(result)).encode() + b"\n")
