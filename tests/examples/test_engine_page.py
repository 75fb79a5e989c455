"""docs/engine.md is true: its example is judged as it says, its tables are complete, its commands run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest

from lockstep.harness import engine_api, environment
from lockstep.harness.engine_api import Resources
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.scenario.engine_check import OFFERED
from lockstep.harness.scenario.frame import Frame
from lockstep.harness.trace import Need, Recorder
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "engine.md").read_text()
# Of processes that the recorder attached itself to, and of the recorder's own layout.
NOT_FOR_ENGINES = {"on", "join", "opaque", "status", "leaving", "string", "text", "write"}


def example() -> str:
    """The rank of the page."""
    (found,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def judged(room: Sequence[int], folder: Path) -> Verdict:
    """The real verdict on two ranks of the page."""
    program = folder / "rank.py"
    program.write_text(example())
    wanted = replace(case("page", len(room), deadline_s=60.0), spec={"room": list(room)})
    return CaseSession(EngineTarget(wanted, [sys.executable, str(program)]), find(), folder).watch()


def test_the_example_hangs_for_want_of_room(tmp_path: Path) -> None:
    """The rank that skips is blamed, by its decision, with its figures."""
    verdict = judged([4, 2], tmp_path)
    assert (verdict.outcome, verdict.proved) == (Outcome.HANG, True), verdict.text
    assert verdict.cause is Cause.ORPHANED
    assert verdict.blame is not None
    assert (verdict.blame.ranks, verdict.blame.by, verdict.blame.choice) == ((1,), "decision", "skip")
    assert "room=2" in verdict.text


def test_the_example_succeeds_with_room(tmp_path: Path) -> None:
    """With enough on both ranks everything ends, and the result is in the verdict."""
    verdict = judged([4, 4], tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert [end.result for end in verdict.ranks] == [{"skipped": {"warmup": []}}] * 2


@pytest.mark.parametrize("name", OFFERED)
def test_every_member_of_a_plug_in(name: str) -> None:
    """The table of the plug-in has each."""
    assert re.search(rf"^\| `{name}[`(]", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", sorted({name for name in vars(Recorder) if not name.startswith("_")} - NOT_FOR_ENGINES))
def test_every_method_of_the_recorder(name: str) -> None:
    """The tables of the recorder have each that an engine may call."""
    assert re.search(rf"[`.]{name}\(", PAGE)


@pytest.mark.parametrize("word", [*engine_api.__all__, *(field.name for field in fields(Resources)), *Frame.model_fields])
def test_every_word_of_the_api(word: str) -> None:
    """What a plug-in imports, what it says of resources, and which keys are not its own."""
    assert word in ("Path", "ScenarioError", "Skew") or re.search(rf"`{word}[`\[(]", PAGE)


def test_variables_of_a_rank() -> None:
    """The table has every variable that ranks get; which these are is said where they are named."""
    source = Path(environment.__file__).read_text()
    section = source.split("# --- that ranks get", 1)[1].split("# ---", 1)[0]
    names = re.findall(r'"(LOCKSTEP_\w+)"', section)
    assert len(names) >= 7
    assert not [name for name in names if f"`{name}`" not in PAGE]


def test_needs() -> None:
    """The kinds of need that the page names are there."""
    assert set(re.findall(r"Need\.(\w+)", PAGE)) <= set(Need.__members__)


def test_entry_point() -> None:
    """It is the toy engine's own."""
    (found,) = re.findall(r"<!-- entry point -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
    assert found in (ROOT / "examples" / "toy_engine" / "pyproject.toml").read_text()


def test_ranks_import_the_standard_library_alone() -> None:
    """An engine's environment needs nothing more of ours than the package itself."""
    code = "import sys; before = set(sys.modules); import lockstep.harness.trace; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert roots <= {"lockstep", *sys.stdlib_module_names}
