"""Scenarios of the engine `command`: what they may say, and what of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("engine: command", "engine: minimal", "1:1: kv_capacity: is missing; add it"),
    ],
)
def test_mistakes(old: str, new: str, said: str, tmp_path: Path) -> None:
    """A section that says nothing to a program, or a program that is not there, is an error with its place."""
    assert said in problems(GOOD.replace(old, new), tmp_path)


def test_schema_has_the_sections_that_the_engine_takes() -> None:
    """An editor offers `kv_capacity` where it is needed, and not where it is refused."""
    assert "kv_capacity" in json_schema("minimal")["required"]
    assert not {"kv_capacity", "guards", "faults"} & set(json_schema("command")["properties"])
