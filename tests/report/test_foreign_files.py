"""A run's folder from elsewhere, with pipes, links and numbers in it that nobody of ours has put there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness import regular_file
from lockstep.harness.campaign.attempts import judged_attempt
from lockstep.harness.cli import main
from lockstep.harness.regular_file import NotRegularError
from lockstep.harness.report import files
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.trace.log import EventLogWriter, read_log

from .samples import case, hang, judged_run, store

pytestmark = pytest.mark.timeout(60)  # what hangs here would wait for ever


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of one case, `a`, that was judged."""
    return judged_run(tmp_path / "runs")


def fifo(path: Path) -> None:
    """A pipe that nobody writes or reads, in the place of what was there."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def endless(path: Path) -> None:
    """A link to a device that never ends."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    """A file without content, of a terabyte."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(1 << 40)


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that ends with 2."""
    capsys.readouterr()
    code = main(words)
    said = capsys.readouterr().err.strip()
    assert code == 2, (code, said)
    return said


PUT = pytest.mark.parametrize("put", [fifo, endless, huge])


@PUT
def test_only_regular_files_are_opened(put: Callable[[Path], None], tmp_path: Path) -> None:
    """Neither for reading nor for writing is a pipe waited for, a link followed, or a file read that is too large."""
    place, target = tmp_path / "x", tmp_path / "target"
    put(place)
    for read in (regular_file.read, regular_file.read_text, files.read_object, files.read_lines, read_log):
        with pytest.raises(NotRegularError, match=r"not a regular file|larger than"):
            read(place)
    if put is huge:
        return
    for write in (
        lambda path: files.append_line(path, {}),
        lambda path: EventLogWriter(path, 0),
        lambda path: files.held(path).__enter__(),
        lambda path: files.locked(path).__enter__(),
    ):
        with pytest.raises(NotRegularError, match="not a regular file"):
            write(place)
    place.unlink()
    place.symlink_to(target)
    with pytest.raises(NotRegularError, match="symbolic link"):
        files.append_line(place, {})
    assert not target.exists()


@PUT
@pytest.mark.parametrize("name", ["case.json", "waits.json", "rank-0.events", "rank-0.log", "stacks/rank-0.txt"])
def test_any_file_of_a_case(put: Callable[[Path], None], name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`report`, `view` and `history` end, whatever lies in the place of a file of a case."""
    place = run / "cases" / "a" / name
    place.parent.mkdir(exist_ok=True)
    put(place)
    assert main(["report", str(run)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "no page of" not in said or (name in said and ("not a regular file" in said or "larger than" in said)), said
    (run / "report.html").unlink()
    assert main(["view", "--print", str(run)]) == 0
    assert main(["history", "--reports", str(run.parent)]) == 0


def test_a_secret_that_a_link_names(run: Path, tmp_path: Path) -> None:
    """No page prints what a link in the folder of a case leads to."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    (run / "cases" / "a" / "rank-0.log").symlink_to(secret)
    (run / "cases" / "a" / "stacks").mkdir()
    (run / "cases" / "a" / "stacks" / "rank-0.txt").symlink_to(secret)
    assert main(["report", str(run)]) == 0
    assert not [page for page in run.rglob("*.html") if "hunter2" in page.read_text()]


def test_links_of_a_page_stay_below_its_folder(run: Path, tmp_path: Path) -> None:
    """Of the evidence that a verdict names a page links what is below its own folder."""
    file = run / "cases" / "a" / "verdict.json"
    (run / "cases" / "a" / "out").symlink_to(tmp_path)
    named = ["rank-0.log", "../../../../etc/passwd", "/etc/shadow", "out/secret", "a/../../b", "", "x\0"]
    file.write_text(json.dumps({**json.loads(file.read_text()), "evidence": named}))
    assert main(["report", str(run)]) == 0
    page = (run / "cases" / "a" / "report.html").read_text()
    assert 'href="rank-0.log"' in page
    assert not [name for name in ("passwd", "shadow", "secret", "../b") if name in page]


@pytest.mark.parametrize("linked", ["cases", "cases/a"])
def test_folders_that_lead_elsewhere(linked: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run whose cases, or one of them, lie behind a link is neither continued nor reported: nothing is written there."""
    elsewhere = tmp_path / "elsewhere"
    (run / linked).rename(elsewhere)
    (run / linked).symlink_to(elsewhere)
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    merge = ["merge", str(run), "--reports", str(tmp_path / "m")]
    for words in (["run", "--resume", str(run)], ["report", str(run)], merge):
        assert f"{run / linked}: a symbolic link" in told(words, capsys)
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == before


@PUT
@pytest.mark.parametrize("name", ["cases.jsonl", "not-run.jsonl", "run.json"])
def test_any_file_of_a_run(
    put: Callable[[Path], None], name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be made again is, in the place of what lay there; of the rest the place is told."""
    put(run / name)
    if name == "cases.jsonl":
        assert main(["report", str(run)]) == 0
        assert len(files.read_lines(run / name)) == 1
        return
    for words in (["report", str(run)], ["run", "--resume", str(run)], ["merge", str(run), "--reports", str(tmp_path)]):
        said = told(words, capsys)
        assert f"{run / name}: " in said
        assert "not a regular file" in said or "larger than" in said


def test_index_that_leads_elsewhere(run: Path, tmp_path: Path) -> None:
    """The index of a shared folder of runs is made anew in the place of a link; what that names stays as it is."""
    (tmp_path / "target").write_bytes(b"")
    (run.parent / "history.sqlite").symlink_to(tmp_path / "target")
    assert main(["history", "--reports", str(run.parent)]) == 0
    assert (tmp_path / "target").read_bytes() == b""


def test_evidence_that_a_killed_run_left_behind_links(run: Path, tmp_path: Path) -> None:
    """What lies in the folder of a case that is launched again is put away as it is: nothing is written through it."""
    folder, victim = run / "cases" / "a", tmp_path / "victim"
    victim.mkdir()
    for name in ("rank-0.log", "stacks", "peek", "harness-error.txt"):
        (folder / name).symlink_to(victim)
    fifo(folder / "launcher.log")
    (folder / "attempt-x").mkdir()
    (folder / "attempt-1").symlink_to(victim)
    judged_attempt(folder, 0, hang)
    assert sorted(path.name for path in folder.iterdir()) == ["attempt-1", "attempt-2", "attempt-x", "case.json"]
    assert not list(victim.iterdir())


@pytest.mark.parametrize("link", [True, False])
def test_lock_that_is_no_file(link: bool, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`run.lock` as a link makes no file elsewhere; as a pipe it is not waited for."""
    lock, target = run / "run.lock", tmp_path / "made"
    lock.unlink(missing_ok=True)
    if link:
        lock.symlink_to(target)
    else:
        os.mkfifo(lock)
    said = told(["run", "--resume", str(run)], capsys)
    assert said.startswith(f"lockstep: {lock}: not a regular file")
    assert not target.exists()


def test_merge_of_a_pipe(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and nothing of a new run is left."""
    pipe = run / "cases" / "a" / "deep" / "pipe"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    said = told(["merge", str(run), "--reports", str(tmp_path / "merged")], capsys)
    assert said == f"lockstep merge: {pipe}: not a regular file; remove it to merge this run"
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("plan", 0, "repetition"), 10**30, "plan.0.repetition: "),
        (("plan", 0, "repetition"), 0, "plan.0.repetition: "),
        (("plan", 0, "slug"), "a" * 5000, "plan.0.slug: "),
        (("plan", 0, "ranks"), 10**12, "plan.0.ranks: "),
        (("plan", 0, "origin"), "x" * 5000, "plan.0.origin: "),
        (("run",), "x" * 5000, "run: "),
        (("options",), {"shard": "1/100000000000"}, "options.shard: "),
        (("environment", "hosts"), [{"libraries": {}}], "environment.hosts.0.name: "),
        (("environment", "hosts"), [{"name": "h", "libraries": "x"}], "environment.hosts.0.libraries"),
        (("started",), "yesterday", "started: 'yesterday' is no time"),
    ],
)
def test_history_leaves_out_one_run(
    place: tuple[Any, ...], value: Any, said: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run.json that is out of bounds is named and left out; the rates and the page of the others are made."""
    good = store(run.parent.parent / "samples")
    good.record(CaseRecord(case("autotuner-asymmetric"), hang(), True, [], "again", 1.0))
    good.path.rename(run.parent / "good")
    raw = json.loads((run / "run.json").read_text())
    inside = raw
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    (run / "run.json").write_text(json.dumps(raw))
    capsys.readouterr()
    assert main(["history", "--reports", str(run.parent)]) == 0
    captured = capsys.readouterr()
    assert "autotuner-asymmetric" in captured.out
    assert captured.err.startswith(f"lockstep: left out of the history: {run}/run.json: {said}"), captured.err
    assert len(captured.err) < 400 + len(str(run))
    assert (run.parent / "history.html").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":\n  ?}', "2:3: no JSON from here on"),
        (b"", "1:1: no JSON from here on"),
        (b'{"a": "\xff"}', "not UTF-8 (byte 8)"),
        (b"[]", "not a JSON object"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number with too many digits"),
    ],
)
def test_broken_files_are_told_in_words(content: bytes, said: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The place first, then what is wrong there: no sentence of Python's own."""
    verdict = run / "cases" / "a" / "verdict.json"
    good = verdict.read_bytes()
    verdict.write_bytes(content)
    assert said in RunStore.open(run).lines[0].text
    verdict.write_bytes(good)
    (run / "run.json").write_bytes(content)
    colon = "" if said[0].isdigit() else " "
    assert told(["report", str(run)], capsys) == f"lockstep report: {run}/run.json:{colon}{said}; not the folder of a run"


def test_numbers_that_no_table_holds(run: Path) -> None:
    """A verdict with one is not believed, and says where it stands."""
    verdict = run / "cases" / "a" / "verdict.json"
    good = json.loads(verdict.read_text())
    for change, place in (({"events": 10**30}, "events"), ({"seconds": float("nan")}, "seconds"), ({"text": 7}, "text")):
        verdict.write_text(json.dumps({**good, **change}))
        (line,) = RunStore.open(run).lines
        assert (line.judged, line.text.split(": ")[:2]) == (False, ["verdict.json cannot be read", place])


def test_case_that_is_continued(run: Path) -> None:
    """Folders that are called like attempts and are none cost nothing."""
    folder = run / "cases" / "a"
    (folder / "attempt-x").mkdir()
    (folder / "attempt-1").mkdir()
    fifo(folder / "attempt-1" / "verdict.json")
    verdict = hang()
    raw = RunStore.open(run).write_verdict(CaseRecord(case("a"), verdict, True, [], "again", 1.0))
    assert [one["number"] for one in raw["attempts"]] == [1]
