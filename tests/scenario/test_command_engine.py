"""Scenarios of the engine `command`: what they may say, and what of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.engines.command.plugin import ENGINE
from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.load import load
from lockstep.harness.scenario.schema import json_schema

pytestmark = pytest.mark.slow  # starts processes, or torch

GOOD = """\
name: sample
source: https://docs.pytorch.org/docs/stable/distributed.html
summary: A program.
engine: command
config: {argv: [python, -c, pass], processes: 2}
expect:
  - {outcome: success}
"""


def problems(text: str, folder: Path) -> list[str]:
    """What is wrong with a file, without its name."""
    path = folder / "a.yaml"
    path.write_text(text)
    with pytest.raises(FileErrors) as caught:
        load(path)
    return [str(problem).removeprefix(f"{folder}/a.yaml:") for problem in caught.value.problems]


def test_a_program_needs_no_kv_capacity(tmp_path: Path) -> None:
    """A command line is enough; the ranks of a case are the processes that are launched."""
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    (case,) = load(path)
    assert (case.engine, case.ranks) == ("command", 2)
    assert case.spec["config"]["argv"] == ["python", "-c", "pass"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "config:",
            "kv_capacity: {blocks: 4}\nconfig:",
            "5:1: kv_capacity: the engine command takes no kv_capacity; remove it",
        ),
        ("config:", "faults: []\nconfig:", "5:1: faults: the engine command takes no faults; remove it"),
        (
            "python, -c, pass",
            "no-such-program",
            "5:17: config.argv[0]: no-such-program: no such program; give a path, or a name on PATH",
        ),
        ("processes: 2", "processes: 0", "5:47: config.processes: input should be greater than 0, got 0"),
        (
            "processes: 2",
            "env: {A=B: x}",
            "5:47: config.env.A=B: is no name of a variable, got 'A=B'; give one without = and null bytes",
        ),
        (
            "processes: 2",
            "env: {'': x}",
            "5:46: config.env.: is no name of a variable, got ''; give one without = and null bytes",
        ),
        ("python, -c", "'', -c", "5:17: config.argv[0]: '': no such program; give a path, or a name on PATH"),
        (
            "processes: 2",
            'cwd: "a\\0"',
            "5:41: not valid YAML: a text with '\\x00' in it, which no file name or command can hold",
        ),
        ("-c, pass", "-c, 5", "5:29: config.argv[2]: input should be a valid string, got 5; write it in quotes"),
        ("engine: command", "engine: minimal", "1:1: kv_capacity: is missing; add it"),
    ],
)
def test_mistakes(old: str, new: str, said: str, tmp_path: Path) -> None:
    """A section that says nothing to a program, or a program that is not there, is an error with its place."""
    assert said in problems(GOOD.replace(old, new), tmp_path)


def test_a_word_that_the_kernel_does_not_take(tmp_path: Path) -> None:
    """An argument has at most 128 KiB; the longest is taken, and of a longer one so much is shown as tells which it is."""
    path = tmp_path / "a.yaml"
    path.write_text(GOOD.replace("pass", "x" * 131_071))
    assert len(load(path)[0].spec["config"]["argv"][2]) == 131_071
    (said,) = problems(GOOD.replace("pass", "x" * 131_072), tmp_path)
    assert said.startswith("5:29: config.argv[2]: has 131,072 bytes, and the kernel takes 131,071, got 'xxx")
    assert len(said) < 500
    told = "5:42: config.env.A: has 131,072 bytes, and the kernel takes 131,071; write it to a file, and name that"
    assert problems(GOOD.replace("processes: 2", f"env: {{A: {'x' * 131_070}}}"), tmp_path) == [told]


@pytest.mark.parametrize("cwd", ["", "no-such-folder", "/no/such/folder", "x" * 300])
def test_a_folder_that_is_not_there(cwd: str) -> None:
    """Nothing is launched in it; a bisection may find it in a checkout or a container, so that the file itself is right."""
    spec = {"config": {"argv": ["python"], "env": {}, "cwd": cwd}}
    assert "no such folder; give one that is there, or leave it out" in ENGINE.lacks(spec)
    assert ENGINE.lacks({"config": {"argv": ["python"], "env": {}, "cwd": "/"}}) == ""


def test_schema_has_the_sections_that_the_engine_takes() -> None:
    """An editor offers `kv_capacity` where it is needed, and not where it is refused."""
    assert "kv_capacity" in json_schema("minimal")["required"]
    assert not {"kv_capacity", "guards", "faults"} & set(json_schema("command")["properties"])
