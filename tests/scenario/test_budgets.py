"""What a file or an option may cost, whatever stands in it: a clear error at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lockstep.harness import cli
from lockstep.harness.commands.selection import overrides
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load_all
from tests.scenario.support import GOOD, changed, problems, write

LAUGHS = "[&a [1,1,1,1,1,1,1,1,1,1]" + "".join(
    f",&{name} [{','.join(9 * [f'*{before}'])}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
VALUES = {
    "aliases": (f"{LAUGHS}]", "comes to more than 20,000 keys and values"),
    "depth": ("[" * 3000 + "]" * 3000, "nested too deeply"),
    "an anchor in itself": ("&a [*a]", "an anchor holds itself"),
    "digits": ("9" * 5000, "a number of more than 100 digits"),
    "digits of another base": ("0x" + "f" * 5000, "a number of more than 100 digits"),
    "tag": ("!!int ''", "a tag (int) is not taken here"),
    "tag of a list": ("!!python/object/apply:os.system [x]", "a tag (python/object/apply:os.system) is not taken here"),
    "tag of a mapping": ("!x {a: 1}", "a tag (!x) is not taken here"),
    "tag of a key": ("{!!binary eA==: 1}", "a tag (binary) is not taken here"),
    "a date that is none": ("2026-13-45", "month must be in 1..12"),
    "NUL": ('"a\\0b"', "a text with '\\x00' in it"),
    "half a character": ('"\\ud800"', "a text with '\\ud800' in it"),
    "control character in a key": ('{"\\e[2J": 1}', "a key with a control character: '\\x1b[2J'"),
    "merge key": ("{<<: {a: 1}}", "the merge key << is not taken here"),
    "a list as key": ("{[1]: 2}", "a list or mapping cannot be a key"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str, tmp_path: Path) -> None:
    """A value that costs too much or means nothing is refused alike in a file and in `--set`, within a second or two."""
    text, wanted = VALUES[name]
    started = time.process_time()
    with pytest.raises(ScenarioError) as caught:
        overrides([f"kv_capacity.blocks={text}"])
    assert str(caught.value).startswith("--set kv_capacity.blocks: ")
    assert wanted in str(caught.value)
    (said,) = problems(write(tmp_path, changed(("{blocks: 16}", f"{{blocks: {text}}}"))))
    assert wanted in said
    assert time.process_time() - started < 10


@pytest.mark.parametrize("text", ["12", "[1, 2]", "'5'", "0x10", "~", ""])
def test_values_that_are_taken(text: str) -> None:
    """What costs nothing stays what it was."""
    overrides([f"a={text}"])


def test_sections_of_an_option() -> None:
    """A key of fifty thousand sections is refused by its beginning."""
    with pytest.raises(ScenarioError, match="names more than 16 sections") as caught:
        overrides([f"{'a.' * 50_000}b=1"])
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        (f"{{{', '.join(f'config.x{n}: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]' for n in range(12))}}}", "1,000,000,000,000 cases"),
        (f"{{config.max_batch_size: {list(range(5_000))}}}", "5,000 cases of 5,0"),
    ],
)
def test_a_matrix_that_nobody_could_run(matrix: str, wanted: str, tmp_path: Path) -> None:
    """It is refused by the number of its cases, before any is made."""
    (said,) = problems(write(tmp_path, changed(("expect:\n", f"matrix: {matrix}\nexpect:\n"))))
    assert f"matrix: comes to {wanted}" in said


def test_a_matrix_that_is_none_and_an_option(tmp_path: Path) -> None:
    """It is told as what it is, also beside `--set`."""
    path = write(tmp_path, changed(("expect:\n", "matrix: 5\nexpect:\n")))
    with pytest.raises(ScenarioError, match="matrix: input should be a valid dictionary, got 5"):
        load_all([path], {"limits.deadline_s": 5})


@pytest.mark.parametrize("value", [".inf", "1e+300", ".nan"])
def test_a_limit_without_an_end(value: str, tmp_path: Path) -> None:
    """Nothing that waits takes it."""
    (said,) = problems(write(tmp_path, changed(("expect:\n", f"limits: {{deadline_s: {value}}}\nexpect:\n"))))
    assert "limits.deadline_s: input should be" in said


def test_a_pipe_in_a_folder_of_scenarios(tmp_path: Path) -> None:
    """What is no file is passed by: who writes to it may never come."""
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(GOOD)
    assert [case.path for case in load_all([tmp_path])] == [str(tmp_path / "b.yaml")]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "slow-rank", "--repeat", "9" * 30],
        ["run", "slow-rank", "--shard", f"1/{'9' * 30}"],
        ["run", "slow-rank", "--shard", f"1/{'9' * 5000}"],
        ["run", "slow-rank", "--jobs", "9" * 5000],
        ["watch", "-n", "9" * 30, "--", "true"],
    ],
)
def test_counts_of_options(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number that no machine has room for is a mistake of the option, told in a line."""
    reports = ["--reports", str(tmp_path)]
    assert cli.main([words[0], *reports, *words[1:]]) == 2
    said = capsys.readouterr().err
    assert words[-1] not in said or len(words[-1]) < 100
    assert "Traceback" not in said
