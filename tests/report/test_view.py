"""`lockstep view` and `lockstep events`: which run and case are meant, and what is shown of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lockstep.harness.cli import main
from lockstep.harness.judge.verdict import WaitLine
from lockstep.harness.judge.words import knot_text
from lockstep.harness.report.alignment import begins_s, logs_in, merged
from lockstep.harness.report.pages.make import PAGE
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.trace.log import EventLogWriter, read_log

from .page_samples import case_folder
from .samples import NAMES, case, hang, store


def test_the_page_that_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest run without a name; a run; a case by a part of its name, of the newest or a named run, or by its folder."""
    run, folder = case_folder(tmp_path, 2)
    wanted = {
        (): run.path / PAGE,
        ("one",): run.path / PAGE,
        (str(run.path),): run.path / PAGE,
        ("capture[",): folder / PAGE,
        ("one", "capture=none"): folder / PAGE,
        ("latest", folder.name): folder / PAGE,
        (str(folder),): folder / PAGE,
    }
    for names, page in wanted.items():
        page.unlink(missing_ok=True)
        assert main(["view", *names, "--reports", str(tmp_path)]) == 0, names
        assert capsys.readouterr().out.strip() == str(page.resolve())
        assert page.read_text().startswith("<!doctype html>")


def test_an_old_page_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that is older than its verdict is not shown."""
    _, folder = case_folder(tmp_path, 2)
    (folder / PAGE).write_text("old")
    os.utime(folder / PAGE, ns=(1, 1))
    assert main(["view", str(folder)]) == 0
    assert (folder / PAGE).read_text() != "old"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("capture=nine",), "capture=nine: no such case in run"),
        (("two", "x"), "two: no such run"),
        (("generation",), "generation: 2 cases of run"),
        (("a", "b", "c"), "3 names"),
        (("autotuner",), "has no verdict yet"),
    ],
)
def test_a_name_that_means_nothing(
    names: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not there, or is not one thing, is said, with what there is; exit code 2."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "", 1.0))
    assert main(["view", *names, "--reports", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_without_any_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing has run yet, that is said."""
    assert main(["view", "x", "--reports", str(tmp_path)]) == 2
    assert "no such run" in capsys.readouterr().err


def test_events_of_all_ranks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All events of all ranks come once, in the order of their times, each with its rank; as text or as JSON."""
    _, folder = case_folder(tmp_path, 3)
    assert main(["events", "one", "capture", "--reports", str(tmp_path)]) == 0
    text = capsys.readouterr().out.splitlines()
    assert main(["events", "--json", str(folder)]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(text) == len(found) == sum(len(read_log(path)[0]) // 64 for path in logs_in(folder).values())
    times = [event["time_s"] for event in found]
    assert times == sorted(times)
    assert times[0] == 0
    assert {event["rank"] for event in found} == {0, 1, 2}
    for rank in range(3):
        numbers = [event["number"] for event in found if event["rank"] == rank]
        assert numbers == sorted(set(numbers))
    assert any(
        "r1    decision  capture.request bs=32: none (free_blocks=24 needed_blocks=32), deviates" in row for row in text
    )


def test_a_search_for_the_words_of_the_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a verdict calls an operation stands so in the events, merged or of one rank, with the key beside it."""
    _, folder = case_folder(tmp_path, 2)
    sentence = knot_text([WaitLine(0, "mpi:tp#1@ab", "mpi", "tp", "allgather", 4, "capture", "", (1,))])
    words = sentence.removeprefix("rank 0 waits in ").partition(" (")[0]
    assert words == "mpi tp allgather #4"
    for name in (folder, folder / "rank-0.events"):
        assert main(["events", str(name)]) == 0
        (row,) = [row for row in capsys.readouterr().out.splitlines() if words in row]
        assert "mpi:tp#1@" in row


def test_clocks_of_hosts(tmp_path: Path) -> None:
    """Ranks whose clocks are far apart are in order by what is known of them; with one unknown clock all are one host's."""
    _, folder = case_folder(tmp_path, 2)
    logs = logs_in(folder)
    here = begins_s(logs)
    with EventLogWriter(folder / "rank-1.events", rank=1, world=2, resume=True) as log:
        log.clock(5_000_000_005)
    there = begins_s(logs)
    assert there[1] - there[0] == pytest.approx(here[1] - here[0] + 5)
    with EventLogWriter(folder / "rank-1.events", rank=1, world=2, resume=True) as log:
        log.clock(0)
    assert begins_s(logs) == here
    assert next(merged(folder))["time_s"] == 0


def test_a_folder_without_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A case of which no rank left a log is told so, and a log that is none too; exit code 2."""
    _, folder = case_folder(tmp_path, 2, logged=0)
    assert main(["events", "one", "capture", "--reports", str(tmp_path)]) == 2
    assert "no event log" in capsys.readouterr().err
    (folder / "rank-0.events").write_bytes(b"x" * 100)
    assert main(["events", str(folder)]) == 2
    assert "is no event log" in capsys.readouterr().err
