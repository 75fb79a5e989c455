"""Mistakes on the command line and in scenario files: the place, what is wrong, what to do; exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness import cli
from lockstep.harness.report.record import CaseRecord
from tests.report.samples import NAMES, case, hang, store

ROOT = Path(__file__).parents[1]
SCENARIO = ROOT / "scenarios" / "tensorrt_llm" / "generation-capture-asymmetric.yaml"


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that ends with 2 says, and nothing else."""
    assert cli.main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err.strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "limits.deadline=300"], "--set limits.deadline: unknown key; did you mean deadline_s?"),
        (["--set", "limits.deadline_s=abc"], "--set limits.deadline_s: input should be a valid number, got 'abc'"),
        (["--set", "limits={a: 1}"], "--set limits: a: unknown key; allowed are: "),
        (["--set", "limits.deadline_s"], "--set limits.deadline_s: give KEY=VALUE"),
        (["--tag", "contrl"], "--tag contrl: no case has it; "),
        (
            ["--case", "slow-rank[faults=delay-2]"],
            "--case slow-rank[faults=delay-2]: no case has it; did you mean slow",
        ),
        (["-k", "nosuch"], "no case is selected by -k 'nosuch'; there are 3: "),
    ],
)
def test_options_of_a_selection(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The option is named, not the first line of a file."""
    assert told(["list", "slow-rank", *words], capsys).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kv_capacity: {blocks: [96, 96, 96, 24]}", "kv_capacity: {bytes: 4GiB}", "got '4GiB'; in bytes: 4294967296"),
        ("kv_capacity: {blocks: [96, 96, 96, 24]}", "kv_capacity: {fraction: 90%}", "got '90%'; as a fraction: 0.9"),
        ("max_batch_size: 32", 'max_batch_size: "8"', "input should be a valid integer, got '8'; without quotes: 8"),
        ("name: generation", "name: mörk-", "name: a name has lower case letters, digits, . _ and -, and begins with"),
        ("  max_seq_len: 256", "\tmax_seq_len: 256", "cannot start any token; indent with spaces, not with tabs"),
        ("attention_dp: true}", "attention_dp: true", "but got ':'; look for a { above that is not closed"),
        ("mechanism_class:", "---\nmechanism_class:", "found another document; leave out `---`; each scenario has a"),
        ("guards.generation_capture: [", "guards.generation: [", "guards.generation: unknown key; did you mean generation"),
        ("guards.generation_capture: [", "guards.nonsense: [", "are allowed; docs/scenarios.md has them"),
    ],
)  # fmt: skip
def test_in_a_scenario(old: str, new: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person meant is named in the words of the file."""
    text = SCENARIO.read_text()
    assert text.count(old) == 1
    path = tmp_path / "a.yaml"
    path.write_text(text.replace(old, new))
    first = told(["list", str(path)], capsys)
    assert first.startswith(f"{path}:")
    assert said in first


def test_a_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In plain words."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\x93\xff\x00")
    assert told(["list", str(path)], capsys) == f"{path}:1:1: cannot be read: this is no text"


def test_a_run_that_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is taken; what to do is said."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "monday").mkdir()
    words = ["run", "slow-rank", "--reports", str(tmp_path), "--run-id", "monday"]
    assert "--run-id monday: there is such a run; choose another name, or --resume it" in told(words, capsys)


def test_nothing_failed_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--last-failed` after a run in which all was as expected has nothing to do, and says so."""
    run = store(tmp_path)
    for name in NAMES:
        run.record(CaseRecord(case(name), hang(), True, [], "again", 1.0))
    said = told(["run", "--last-failed", "--reports", str(tmp_path)], capsys)
    assert said == f"--last-failed latest: everything in {run.id} was as expected"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOCKSTEP_LOG", "loud", "LOCKSTEP_LOG=loud: no such level; use one of "),
        ("LOCKSTEP_NOTICE", "soon", "LOCKSTEP_NOTICE=soon: give a whole number of seconds"),
        ("LOCKSTEP_NATIVE", "yes", "LOCKSTEP_NATIVE=yes: give 1 to record MPI in C, or unset it"),
        ("LOCKSTEP_SCENARIOS", "nosuch", "LOCKSTEP_SCENARIOS=nosuch: no such folder; "),
    ],
)
def test_variables(
    name: str, value: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value of ours that means nothing is told with the variable's name."""
    monkeypatch.setenv(name, value)
    assert told(["list"], capsys).startswith(said)


def test_a_misspelt_variable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody reads is told if it is nearly one of ours; other people's may be called as they like."""
    monkeypatch.setenv("LOCKSTEP_LOGS", "debug")
    monkeypatch.setenv("LOCKSTEP_DEVICE", "cpu")
    assert cli.main(["list", "slow-rank"]) == 0
    assert capsys.readouterr().err == "lockstep: LOCKSTEP_LOGS is set, which nobody reads; did you mean LOCKSTEP_LOG?\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "slow-rank", "--set", "kv_capacity.blocks="], "kv_capacity: give exactly one of blocks, bytes, "),
        (["run", "slow-rank", "--run-id", ""], "--run-id '': give a plain name; it becomes a folder of "),
        (["compare", str(SCENARIO), "latest"], f"{SCENARIO}: not a baseline: this is no JSON; give a run, or what "),
        (
            ["bisect", "--resume", "--state", "/nowhere"],
            "/nowhere/bisection.json: there is no bisection to go on with (No such ",
        ),
    ],
)
def test_what_a_newcomer_meets(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Files and options that are not what they should be: which, why, and what to do, in words."""
    text = told(words, capsys)
    assert said in text
    assert "Errno" not in text
    assert "Error:" not in text
    assert ("(with --set kv_capacity.blocks)" in text) == ("--set" in words)


def test_every_name_that_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them at once, each with what was meant."""
    assert told(["list", "slow-rnk", "general-asymetric", "slow-rank"], capsys).splitlines() == [
        "slow-rnk: no such file, folder or scenario; did you mean slow-rank?",
        "general-asymetric: no such file, folder or scenario; did you mean general-asymmetric?",
    ]


def test_nothing_of_what_failed_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--last-failed` with other scenarios names itself, and what failed."""
    run = store(tmp_path, NAMES[:1])
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["x"], "again", 1.0))
    said = told(["run", "slow-rank", "--last-failed", "--reports", str(tmp_path)], capsys)
    assert said.startswith(f"no case is selected by --last-failed ({NAMES[0]}); there are 3: slow-rank[")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("[]", "config.argv: has 0 entries; give 1 or more"),
        ("python -c x", "config.argv: input should be a valid list, got 'python -c x'; as a list: [python, -c, x]"),
    ],
)
def test_a_command_that_is_none(argv: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What to write is told."""
    path = tmp_path / "a.yaml"
    head = "name: a\nsource: x\nsummary: x\nengine: command\nexpect: [{outcome: success}]\n"
    path.write_text(f"{head}config: {{argv: {argv}}}\n")
    assert told(["list", str(path)], capsys).endswith(said)
