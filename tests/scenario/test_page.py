"""docs/scenarios.md is true: its example loads, its tables are complete, its errors are real, its commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from lockstep.engines.minimal.plugin import ENGINE
from lockstep.engines.minimal.spec.schema import PHASES, PRESETS
from lockstep.engines.minimal.spec.sections import FaultKind, PerRank, Sections
from lockstep.harness.scenario.frame import Frame, OutcomeWord
from lockstep.harness.scenario.load import load
from lockstep.harness.scenario.validate import _models as models_in

pytestmark = pytest.mark.slow  # starts processes, or torch

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text()


def block(mark: str) -> str:
    """The code block after a marker."""
    (found,) = re.findall(rf"<!-- {mark} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def below(*models: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models and all models of their fields."""
    for model in models:
        yield model
        for field in model.model_fields.values():
            yield from below(*models_in(field.annotation))


def fields() -> set[str]:
    """The keys of every model."""
    return {name for model in below(Frame, Sections) for name in model.model_fields}


def test_models_are_found() -> None:
    """The walk over the models reaches the nested ones."""
    assert {"tp", "default", "tokens_per_block", "livelock_s", "absent_findings", "detail", "leave"} <= fields()
    assert PerRank in set(below(Sections))


@pytest.mark.parametrize("name", sorted(fields()))
def test_every_key_is_on_the_page(name: str) -> None:
    """A reader finds each key, marked as code."""
    assert re.search(rf"`(?:[\w]+\.)?{name}[`:.]|`\{{{name}:", PAGE)


@pytest.mark.parametrize("word", sorted({*get_args(FaultKind), *get_args(OutcomeWord), *ENGINE.phases, *PRESETS}))
def test_every_word_is_on_the_page(word: str) -> None:
    """A reader finds each kind of fault, outcome, phase and preset."""
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_table_of_presets(preset: str) -> None:
    """The row of each preset says what it resolves to."""
    found = ENGINE.resolve({"preset": preset})
    guards = [found["guards"][phase] if found["warmup"][phase] else "-" for phase in PHASES]
    assert f"| `{preset}` | {' | '.join(guards)} |" in PAGE


@pytest.mark.parametrize("heading", ["parallel", "config", "workload", "Limits"])
def test_defaults(heading: str) -> None:
    """The numbers in the column `default` are those of the models."""
    top = {**Sections.model_fields, "Limits": Frame.model_fields["limits"]}[heading]
    model = next(models_in(top.annotation))
    section = PAGE.split(f" {heading}\n", 1)[1].split("\n#", 1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d[\d.]*|true|false) \|", section, re.MULTILINE))
    assert rows
    for name, text in rows.items():
        default = model.model_fields[name].default
        assert text == (str(default).lower() if isinstance(default, bool) else f"{default:g}")


def test_example(tmp_path: Path) -> None:
    """The example loads into three cases, whose ids are as the page says."""
    path = tmp_path / "example.yaml"
    path.write_text(block("example"))
    cases = load(path)
    assert len(cases) == 3
    assert f"`{cases[0].id}`" in PAGE


def lockstep(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder that has scenarios/."""
    command = [str(Path(sys.executable).parent / "lockstep"), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_errors_are_real(tmp_path: Path) -> None:
    """The errors on the page are what the command prints for the file on the page."""
    (tmp_path / "sample.yaml").write_text(block("mistakes"))
    done = lockstep(["list", "sample.yaml"], tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == block("output")


COMMANDS = re.findall(r"^lockstep ([^\n#>]+)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", [line.strip() for line in COMMANDS if not line.startswith("run ")])
def test_command(line: str, tmp_path: Path) -> None:
    """Each command that launches nothing runs as it stands on the page, and prints something."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    done = lockstep(shlex.split(line), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


RUN_ONLY = ("--device", "cpu", "--jobs", "auto")


@pytest.mark.parametrize("line", [line.strip() for line in COMMANDS if line.startswith("run ")])
def test_run_command_selects_cases(line: str, tmp_path: Path) -> None:
    """What `run` is given on the page are cases: `list` takes the same arguments, but for those that say how to run."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    words = [word for word in shlex.split(line)[1:] if word not in RUN_ONLY]
    assert lockstep(["list", *words], tmp_path).returncode == 0
