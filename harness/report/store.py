"""The folder of a run: made at its start, filled case by case. reports/README.md says what lies in it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.rank_map import NodeRanks
from lockstep.harness.report import files, junit, markdown, names, run_file
from lockstep.harness.report.destination import make_root, no_root, written
from lockstep.harness.report.evidence import attempts_in, evidence_in
from lockstep.harness.report.line import Line, judged, not_judged, not_run
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.scenario.errors import ScenarioError

if TYPE_CHECKING:
    from lockstep.harness.scenario.case import Case

SCHEMA = "lockstep.run/1"
ROOT = Path("reports/runs")
LOCK = "run.lock"  # held while the run goes on
LEFT_OUT = "not-run.jsonl"  # the cases for which the budget had no room


def find_run(name: str, root: Path = ROOT) -> Path:
    """The folder of a run, from the folder itself or from a run id below `root`. Raises ScenarioError."""
    for path in (Path(name), root / name):
        if (path / "run.json").exists():
            return path
    if name == "latest" and not root.is_dir():
        raise ScenarioError(no_root(root))
    raise ScenarioError(f"{name}: no such run (looked for run.json there and in {root / name})")


def new_folder(root: Path, run_id: str | None, advice: str) -> Path:
    """The folder of a new run, with that of its cases. Raises ScenarioError, with `advice`, when there is such a run."""
    if run_id is not None and (not run_id.strip() or Path(run_id).name != run_id or run_id in ("..", "latest")):
        raise ScenarioError(f"--run-id {run_id or repr('')}: give a plain name; it becomes a folder of {root}")
    make_root(root)
    with written("--reports", root, "name a folder in which you may write"):
        if run_id is None:
            path = names.new_folder(root)
        else:
            path = root / run_id
            try:
                path.mkdir(mode=names.PRIVATE)
            except FileExistsError as error:
                raise ScenarioError(f"--run-id {run_id}: there is such a run; {advice}") from error
        (path / "cases").mkdir()
    return path


class RunStore:
    """One run on disk. `create` starts it, `open` reads it back; everything else is in the files."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.run = run
        self.id: str = run["run"]
        self._plan: dict[str, dict[str, Any]] = {entry["slug"]: entry for entry in run["plan"]}
        self._lines = self._read_lines()

    @classmethod
    def create(
        cls,
        root: Path,
        run_id: str | None,
        argv: Sequence[str],
        environment: Mapping[str, Any],
        cases: Sequence[Case | PlannedCase],
        options: Mapping[str, Any] | None = None,
    ) -> RunStore:
        """Make the folder of a new run below `root` and point `latest` at it. Without a run id a new one is taken.

        `options` are those of the command line by which the plan was made, for who continues the run. Raises ScenarioError
        when the run exists and ValueError when two cases have one id.
        """
        plan = [one if isinstance(one, PlannedCase) else PlannedCase(one) for one in cases]
        twice = [ident for (ident, _), count in Counter((one.case.id, one.repetition) for one in plan).items() if count > 1]
        if twice:
            raise ValueError(f"case ids are not unique in this run: {', '.join(twice)}")
        path = new_folder(root, run_id, "choose another name, or --resume it")
        run = {
            "schema": SCHEMA,
            "run": path.name,
            "argv": list(argv),
            "started": names.now(),
            "environment": dict(environment),
            "options": dict(options or {}),
            "plan": [one.to_json() for one in plan],
        }
        files.replace_json(path / "run.json", run)
        names.point(root / "latest", path.name)
        store = cls(path, run)
        store.repair()
        return store

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """Read a run back, with the verdicts it has. Raises ValueError when `path` holds no run of this version."""
        path = path.resolve()  # `latest` may move on
        try:
            run = files.read_object(path / "run.json")
        except OSError as error:
            raise ValueError(f"{path}/run.json: {error.strerror}; not the folder of a run") from error
        except ValueError as error:
            raise ValueError(f"{error}; not the folder of a run") from error
        if run.get("schema") != SCHEMA:
            raise ValueError(f"{path}/run.json: schema is not {SCHEMA!r}, which this lockstep reads")
        if link := _link(path / "cases"):
            raise ValueError(f"{link}: a symbolic link; what is written there would go elsewhere; not the folder of a run")
        try:
            run_file.check(run)
        except RecursionError as error:
            raise ValueError(f"{path}/run.json: nested too deeply; not the folder of a run") from error
        except ValueError as error:
            raise ValueError(f"{path}/run.json: {error}; not the folder of a run as this lockstep writes it") from error
        return cls(path, run)

    @property
    def lines(self) -> list[Line]:
        """What the reports say, one line a planned case, in the order of the plan."""
        return list(self._lines.values())

    def case_dir(self, case: Case, repetition: int = 1) -> Path:
        """The folder of a case for its evidence, with its case.json."""
        folder = self.path / "cases" / names.slug(case.id, repetition)
        folder.mkdir(exist_ok=True)
        files.replace_json(folder / "case.json", asdict(case))
        return folder

    def line(self, case: Case, repetition: int = 1) -> Line:
        """What the reports say of a planned case."""
        return self._lines[names.slug(case.id, repetition)]

    def write_verdict(self, record: CaseRecord) -> dict[str, Any]:
        """Write a case's verdict file, and nothing else: as soon as there is one, whatever happens to its evidence."""
        folder = self.case_dir(record.case, record.repetition)
        raw: dict[str, Any] = {
            **record.verdict.to_json(),
            "case": record.case.id,
            "run": self.id,
            "repetition": record.repetition,
            "attempts": attempts_in(folder),
            "expected": {"ok": record.ok, "differences": list(record.differences)},
            "rerun": record.rerun,
            "evidence": evidence_in(folder),
            "device": record.case.spec.get("device", ""),
            "places": [asdict(place) for place in record.places],
            "engine_commit": self._plan[folder.name].get("engine_commit", ""),
            "skew": record.case.spec.get("skew"),
            "environment": _environment(self.run["environment"], record.places),
            "seconds": record.seconds,
            "recorded": names.now(),
        }
        raw = json.loads(json.dumps(raw))  # as a reader will see it
        files.replace_json(folder / "verdict.json", raw)
        return raw

    def record(self, record: CaseRecord) -> Line:
        """Write a case's verdict, append its line, and bring the reports up to date. Call it when evidence is written."""
        slug = names.slug(record.case.id, record.repetition)
        with files.locked(self.path / "run.json"):
            raw = self.write_verdict(record)
            line = self._lines[slug] = judged(self._plan[slug], raw)
            self._append(line)
            self._write_reports()
        return line

    def leave_out(self, case: Case, repetition: int, why: str) -> Line:
        """Note that a case is not run, for want of budget. Whoever continues the run begins with `take_in`."""
        slug = names.slug(case.id, repetition)
        with files.locked(self.path / "run.json"):
            files.append_line(self.path / LEFT_OUT, {"slug": slug, "why": why})
            line = self._lines[slug] = not_run(self._plan[slug], why)
            self._write_reports()
        return line

    def take_in(self) -> None:
        """Forget which cases were left out: the run goes on."""
        (self.path / LEFT_OUT).unlink(missing_ok=True)
        self.repair()

    def repair(self) -> None:
        """Read the verdict files again and make everything else agree with them, after a kill at any moment."""
        with files.locked(self.path / "run.json"):
            self._lines = self._read_lines()
            self._rewrite()
            self._write_reports()

    def _read_lines(self) -> dict[str, Line]:
        rows = files.read_lines(self.path / LEFT_OUT)
        left_out = {str(row.get("slug")): str(row.get("why", "")) for row in rows}
        return {slug: _read_line(self.path, entry, left_out.get(slug)) for slug, entry in self._plan.items()}

    def _write_reports(self) -> None:
        files.replace(self.path / "junit.xml", junit.render(self.run, self.lines))
        files.replace(self.path / "summary.md", markdown.render(self.run, self.lines))

    def _append(self, line: Line) -> None:
        path = self.path / "cases.jsonl"
        if files.torn(path):  # the run that this one continues was killed
            self._rewrite()
        else:
            files.append_line(path, line.flat())

    def _rewrite(self) -> None:
        done = sorted((line for line in self.lines if line.judged), key=lambda line: line.recorded)
        files.replace(self.path / "cases.jsonl", "".join(json.dumps(line.flat()) + "\n" for line in done))


def _environment(run: Mapping[str, Any], places: Sequence[NodeRanks]) -> dict[str, Any]:
    """That of a run, with no other hosts than those of a case: there may be many, and many cases."""
    own = {place.host for place in places}
    hosts = [host for host in run.get("hosts", ()) if host["name"] in own]
    return {**run, "hosts": hosts} if hosts else dict(run)


def _read_line(run: Path, entry: Mapping[str, Any], left_out: str | None) -> Line:
    """The line of a planned case from its verdict file, if there is a good one."""
    path = run / "cases" / entry["slug"] / "verdict.json"
    try:
        raw = files.read_object(path)
        Verdict.from_json(raw)
        if (raw["case"], raw["repetition"]) != (entry["id"], entry.get("repetition", 1)):
            return not_judged(entry, f"verdict.json is that of another case: {raw['case']}, repetition {raw['repetition']}")
        return run_file.checked_line(judged(entry, raw))
    except FileNotFoundError:
        return not_judged(entry) if left_out is None else not_run(entry, left_out)
    except OSError as error:
        return not_judged(entry, f"verdict.json cannot be read: {error.strerror}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return not_judged(entry, f"verdict.json cannot be read: {_why(path, error)}")


def _why(path: Path, error: Exception) -> str:
    """In our words, without the folder, which a report has anyway."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, KeyError):
        return f"{error.args[0]}: it has no such field"
    if isinstance(error, ValueError):
        return f"{error}".removeprefix(f"{path}: ").replace(f"{path}:", "verdict.json:")
    return f"not as this lockstep writes it ({error})"


def _link(cases: Path) -> Path | None:
    """The folder of the cases, or of one of them, where that is a link."""
    if cases.is_symlink():
        return cases
    try:
        with os.scandir(cases) as found:
            return next((Path(entry.path) for entry in found if entry.is_symlink()), None)
    except OSError:  # there is none, or a file
        return None
