"""The pytest plugin: `@pytest.mark.lockstep(ranks=4)` runs a test on ranks under `lockstep watch`, each with its pytest.

A test that hangs fails with the verdict's sentence instead of a time-out. Standard library and pytest only: pytest imports
this file whether a test is marked or not.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from lockstep.harness.environment import PYTEST

MARK = "lockstep"
DEADLINE_S = 300.0  # of a test that says nothing; a stall ends by it
XDIST = "PYTEST_XDIST_"  # so variables of its workers begin
END_S = 60.0  # what the watch is given to end what it started
LAST_LINES = 40  # of what the ranks printed
ARGUMENTS = ("ranks", "deadline", "launcher")  # of the mark
ADVICE = "give ranks=N, from 1 on; deadline and launcher are all else"
PHASES = ("setup", "call", "teardown")
Phase = Literal["setup", "call", "teardown"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--lockstep-reports`."""
    text = "where runs of tests that failed under Lockstep are kept (reports/runs)"
    parser.getgroup("lockstep").addoption("--lockstep-reports", default="reports/runs", metavar="DIR", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    text = "lockstep(ranks, deadline=300, launcher='auto'): run the test on so many ranks under `lockstep watch`"
    config.addinivalue_line("markers", text)


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """In a rank: the recorder is told what the test raised, which pytest keeps to itself."""
    if PYTEST not in os.environ or call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception):
        return
    recording = sys.modules.get("lockstep.harness.attach.recording")
    found = recording.existing() if recording is not None else None
    if found is not None and isinstance(call.excinfo.value, Exception):
        found.ending.uncaught(call.excinfo.value)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In a rank: hand the report over, at once, since a rank may not come to its end."""
    if PYTEST in os.environ:
        told = {"when": report.when, "outcome": report.outcome, "text": report.longreprtext, "rank": _rank()}
        told |= {"wasxfail": report.wasxfail} if hasattr(report, "wasxfail") else {}
        told |= {"reason": report.longrepr[2]} if isinstance(report.longrepr, tuple) else {}
        with Path(os.environ[PYTEST], f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a marked test on its ranks; all others as ever. No fixture of it is made in this process."""
    mark = item.get_closest_marker(MARK)
    if mark is None or PYTEST in os.environ:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    skip = next((one for one in item.iter_markers("skip")), None)
    started = time.time()
    found = _skipped(str(skip.kwargs.get("reason", next(iter(skip.args), "")))) if skip else _on_ranks(item, mark)
    for report in (_report(item, "setup"), _report(item, "call", found, started), _report(item, "teardown")):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a test on all its ranks."""

    outcome: Literal["passed", "failed", "skipped"]
    text: str = ""
    output: str = ""  # what the ranks printed
    wasxfail: str | None = None


PASSED = Found("passed")


def _report(item: pytest.Item, when: Phase, found: Found = PASSED, started: float | None = None) -> pytest.TestReport:
    """As pytest makes one of a test that it has run itself."""
    now = time.time()
    place = (str(item.path), item.location[1] or 0, found.text)
    sections = [("Captured from the ranks", found.output)] if found.output else []
    report = pytest.TestReport(
        item.nodeid,
        item.location,
        dict.fromkeys(item.keywords, 1),
        found.outcome,
        place if found.outcome == "skipped" else found.text or None,
        when,
        sections,
        now - (started or now),
        started or now,
        now,
    )
    if found.wasxfail is not None:
        report.wasxfail = found.wasxfail
    return report


def _skipped(reason: str) -> Found:
    return Found("skipped", f"Skipped: {reason}".removesuffix(": "))


@pytest.fixture
def lockstep_watch(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """`lockstep_watch(command, ranks=2, deadline=300, check=True)`: the verdict on a command, which must succeed."""

    def watch(command: Sequence[str], ranks: int = 1, deadline: float = DEADLINE_S, check: bool = True) -> dict[str, Any]:
        if mistake := _mistake(ranks, deadline):
            pytest.fail(f"lockstep_watch: {mistake}", pytrace=False)
        verdict, output, where = _watched(list(map(str, command)), ranks, deadline, "auto", request.config, {})
        if check and verdict.get("outcome") != "success":
            pytest.fail(f"{_sentence(verdict, where)}\n{output}", pytrace=False)
        return verdict

    return watch


def _on_ranks(item: pytest.Item, mark: pytest.Mark) -> Found:
    """Run the test on its ranks and put together what they say and what is judged."""
    given = {**dict(zip(ARGUMENTS, mark.args, strict=False)), **mark.kwargs}
    ranks, deadline = given.pop("ranks", None), given.pop("deadline", DEADLINE_S)
    launcher = given.pop("launcher", "auto")
    if mistake := _unknown(given, len(mark.args)) or _mistake(ranks, deadline):
        return Found("failed", f"@pytest.mark.lockstep: {mistake}: {mark}")
    from lockstep.harness.host.temporary_folder import temporary_folder

    with temporary_folder("pytest") as folder:
        verdict, output, where = _watched(_command(item), ranks, deadline, launcher, item.config, {PYTEST: str(folder)})
        return _together(verdict, _told(folder), output, where)


def _unknown(names: Iterable[str], places: int) -> str:
    """What is wrong with arguments of the mark that there are not; empty where all are known."""
    said = []
    for name in names:
        close = difflib.get_close_matches(name, ARGUMENTS, n=1)
        said.append(f"{name}: no such argument; " + (f"did you mean {close[0]}?" if close else ADVICE))
    if places > len(ARGUMENTS):
        said.append(f"{places} arguments without a name; {ADVICE}")
    return "; ".join(said)


def _mistake(ranks: object, deadline: object) -> str:
    """What is wrong with these; empty where nothing is. Said of the one test: an error here would end all of pytest."""
    if isinstance(ranks, bool) or not isinstance(ranks, int) or ranks < 1:
        return ADVICE
    if isinstance(deadline, bool) or not isinstance(deadline, (int, float)) or not 0 < deadline < math.inf:
        return f"deadline={deadline!r}: give seconds, above 0"
    return ""


def _command(item: pytest.Item) -> list[str]:
    """A pytest for this one test: with what says how tests are imported, without what runs or ends them otherwise."""
    config = item.config
    words = [sys.executable, "-m", "pytest", f"{item.path}::{item.nodeid.partition('::')[2]}", "-q", "--tb=short"]
    words += [f"--rootdir={config.rootpath}", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts="]
    words += ["-c", str(config.inipath)] if config.inipath else []
    words += ["--import-mode", config.getoption("importmode")]
    words += [
        "-p",
        f"no:{MARK}",
        "-p",
        __name__,
    ]  # by the name of the file: an editable checkout may have no entry point yet
    return words + (["--timeout=0"] if config.pluginmanager.hasplugin("timeout") else [])


def _watched(
    command: list[str], ranks: int, deadline: float, launcher: str, config: pytest.Config, more: dict[str, str]
) -> tuple[dict[str, Any], str, Path | None]:
    """The verdict on a command, what was printed meanwhile, and where its run is kept: of a success nowhere."""
    from lockstep.harness.host.temporary_folder import temporary_folder
    from lockstep.harness.report import names

    kept = Path(config.rootpath, config.getoption("--lockstep-reports"))
    with temporary_folder("pytest") as folder:
        words = [sys.executable, "-m", "lockstep.harness.cli", "watch", "--json", "-n", str(ranks), "--launcher", launcher]
        words += ["--deadline", f"{deadline:g}", "--reports", str(folder), "--", *command]
        # Ranks of a worker of pytest-xdist are no workers: a test that asks would take another's place.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(XDIST)}
        code, out, said = _run(words, {**inherited, **more}, config.invocation_params.dir)
        try:
            verdict: dict[str, Any] = json.loads(out.splitlines()[-1])
        except (ValueError, IndexError):  # it could not be launched
            return {"outcome": "invalid", "cause": "", "text": said.strip() or f"exit code {code}"}, "", None
        output = "\n".join(said.splitlines()[-LAST_LINES:]).replace(str(folder), str(kept))
        if verdict["outcome"] == "success":
            return verdict, output, None
        kept.mkdir(parents=True, exist_ok=True)
        place = kept / verdict["run"]
        shutil.move(folder / verdict["run"], place)
        names.point(kept / "latest", place.name)  # where `lockstep view` looks
        return verdict, output, place


def _run(words: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str, str]:
    """Run the watch. Whatever comes, a time-out of another plugin or Ctrl-C, it ends what it started, and is waited for."""
    from lockstep.harness.host.spawning import dies_with

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with_us = dies_with(os.getpid())
        watch = subprocess.Popen(
            words, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=with_us
        )
        try:
            watch.wait()
        finally:
            if watch.poll() is None:
                watch.send_signal(signal.SIGTERM)
                try:
                    watch.wait(END_S)
                except subprocess.TimeoutExpired:
                    watch.kill()
                    watch.wait()
        out.seek(0)
        err.seek(0)
        return watch.returncode, out.read(), err.read()


def _told(folder: Path) -> list[dict[str, Any]]:
    """What the ranks reported, in the order of ranks."""

    def lines() -> Iterator[dict[str, Any]]:
        for path in sorted(folder.glob("*.jsonl")):
            yield from map(json.loads, path.read_text().splitlines())

    return sorted(lines(), key=lambda one: (one["rank"], PHASES.index(one["when"])))


def _together(verdict: dict[str, Any], told: Sequence[dict[str, Any]], output: str, where: Path | None) -> Found:
    failed = [one for one in told if one["outcome"] == "failed"]
    skipped = [one for one in told if one["outcome"] == "skipped" and "wasxfail" not in one]
    expected = [one["wasxfail"] for one in told if "wasxfail" in one]
    if failed or verdict["outcome"] != "success":
        texts = [f"rank {one['rank']}, {one['when']}:\n{one['text']}" for one in failed]
        return Found("failed", "\n\n".join([_sentence(verdict, where), *texts]), output)
    if skipped and not any(one["when"] == "call" and one["outcome"] == "passed" for one in told):
        return _skipped(str(skipped[0].get("reason", "")).removeprefix("Skipped: "))
    if expected:
        return Found("skipped", "", output, wasxfail=expected[0])
    if not told:
        return Found("failed", "no rank has run the test: is it collected by `pytest` alone?", output)
    return Found("passed", "", output)


def _sentence(verdict: dict[str, Any], where: Path | None) -> str:
    """What is judged, where ranks first differ, and where all is kept."""
    proof = {True: ", proved", False: ", not proved"}.get(verdict.get("proved"), "")  # type: ignore[arg-type]
    cause = f" ({verdict['cause']}{proof})" if verdict.get("cause") else ""
    rows = [f"lockstep: {verdict['outcome']}{cause}: {verdict['text']}"]
    rows += [f"{finding['kind']}: {finding['text']}" for finding in verdict.get("findings", ())]
    page = where / "report.html" if where else None
    return "\n".join([*rows, *([f"report: {page if page and page.is_file() else where}"] if where else [])])


def _rank() -> int:
    """Which rank this is, as launchers say it; 0 where there is one."""
    for name in ("RANK", "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"):
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name])
    return 0
