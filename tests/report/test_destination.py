"""Where an option says that something goes, and it cannot: told with the option as it was typed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lockstep.harness.cli import main
from lockstep.harness.commands.inspect import _keep
from lockstep.harness.judge.inspection import Look, inspect
from lockstep.harness.report import files
from lockstep.harness.report.destination import written
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.scenario.errors import ScenarioError
from tests.report.samples import NAMES, case, hang, store

NOWHERE = Path("/proc/x")  # where nobody may make a file, not even root
ROOT = Path(__file__).parents[2]


def why() -> str:
    """What the system says of it to this user."""
    with pytest.raises(OSError) as caught:
        NOWHERE.mkdir()
    return str(caught.value.strerror)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that ends with 2."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.strip()


def test_a_report_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The option and the name that was typed, not that of a temporary file; exit code 2."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "", 1.0))
    for format in ("junit", "json"):
        said = refused(["report", str(run.path), "--format", format, "--output", str(NOWHERE)], capsys)
        assert said == f"--output /proc/x: cannot be written: {why()}"


def test_an_import_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same of `import`."""
    config = tmp_path / "extra.yaml"
    config.write_text("max_batch_size: 8\n")
    given = ["--set", "parallel.tp=2", "--set", "kv_capacity.blocks=8"]
    said = refused(["import", str(config), *given, "-o", str(NOWHERE)], capsys)
    assert said.splitlines()[-1] == f"--output /proc/x: cannot be written: {why()}"


def test_findings_are_kept_where_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder is printed as a shell takes it; one that cannot be made is told."""
    seen = Look(())
    _keep(tmp_path / "in sp", seen, inspect(seen))
    assert capsys.readouterr().err == f"kept in '{tmp_path}/in sp'\n"
    with pytest.raises(ScenarioError, match=f"^--keep /proc/x: cannot be written: {why()}$"):
        _keep(NOWHERE, seen, inspect(seen))


def test_a_full_disk_is_no_mistake_of_the_user() -> None:
    """It stays an error of the machine, with the name that was typed."""
    with pytest.raises(OSError, match="given") as caught, written("--output", Path("given")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == "given"


def test_no_temporary_name_is_told() -> None:
    """An error of `replace` is one of the file that is meant."""
    with pytest.raises(OSError) as caught:
        files.replace(NOWHERE, "x")
    assert caught.value.filename == str(NOWHERE)


@pytest.mark.parametrize("more", [[], ["--run-id", "monday"]])
def test_a_folder_of_runs_that_is_none(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run is told of `--reports`: the option, why it cannot be, and what to do."""
    monkeypatch.chdir(ROOT)
    file = tmp_path / "afile"
    file.touch()
    for root, said in (
        (file, "is a file; name a folder"),
        (file / "x", "cannot be written: Not a directory; name a folder in which you may write"),
        (NOWHERE, f"cannot be written: {why()}; name a folder in which you may write"),
        (Path("/proc"), f"cannot be written: {why()}; name a folder in which you may write"),
    ):
        assert refused(["run", "slow-rank", "--reports", str(root), *more], capsys) == f"--reports {root}: {said}"


@pytest.mark.parametrize("command", ["view", "history", "report", "view x"])
def test_where_there_are_no_runs(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads runs says that their folder is not there, or is none, and not that a run is missing which nobody named."""
    file = tmp_path / "afile"
    file.touch()
    assert refused([*command.split(), "--reports", "/nope"], capsys) == "/nope: no such folder, so there are no runs"
    assert refused([*command.split(), "--reports", str(file)], capsys) == f"--reports {file}: is a file; name a folder"
