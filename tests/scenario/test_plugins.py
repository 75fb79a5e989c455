"""A plug-in that lacks or mistypes something: which, what, what to do; exit code 2, and never a traceback."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.engine_api import EngineBase, Fault, FaultSections, Resources, Section
from lockstep.harness.scenario.engine import GROUP, find_engine, sections_of_others
from lockstep.harness.scenario.engine_check import (
    check_command,
    checked,
    ranks_of,
    resources_of,
    spec_of,
)
from lockstep.harness.scenario.errors import EngineError, ScenarioError

pytestmark = pytest.mark.slow  # starts processes, or torch

NOTHING = Section()


class Plain(EngineBase[Any]):
    """All that an engine needs."""

    name = "toy"

    def ranks(self, sections: Section) -> int:
        """Two."""
        return 2

    def command(self, spec: Mapping[str, Any]) -> list[str]:
        """A program."""
        return ["true"]


def altered(**changed: object) -> EngineBase[Any]:
    """An instance of a class below it with other members."""
    engine: EngineBase[Any] = type("Altered", (Plain,), changed)()
    return engine


class Bare(EngineBase[Any]):
    """Nothing of its own."""

    name = "toy"


class Taken(Section):
    """A section whose name every scenario has."""

    limits: int = 0


def complaints(found: object) -> list[str]:
    """What is said of an object behind an entry point, without the words that name it."""
    with pytest.raises(EngineError) as caught:
        checked(found, "toy", "toy.plugin:ENGINE")
    assert caught.value.exit_code == 2
    lines = str(caught.value).splitlines()
    assert all(line.startswith("engine 'toy' (toy.plugin:ENGINE)") for line in lines)
    return [line.removeprefix("engine 'toy' (toy.plugin:ENGINE)").lstrip(": ") for line in lines]


@pytest.mark.parametrize("name", sorted(point.name for point in entry_points(group=GROUP)))
def test_our_own_engines_keep_to_the_protocol(name: str) -> None:
    """What the product brings is found by the same way, with the same checks."""
    assert find_engine(name).name == name


def test_an_engine_needs_two_methods() -> None:
    """Everything else has a default: an engine without sections, phases, a KV cache or checkouts is complete."""
    engine = checked(Plain(), "toy", "toy.plugin:ENGINE")
    assert spec_of(engine, NOTHING, ranks_of(engine, NOTHING)) == {}
    assert resources_of(engine, {}) == Resources("each")
    with pytest.raises(ScenarioError, match="engine 'toy' cannot be run from a checkout: its plug-in has no method `at`"):
        engine.at({}, "/tree")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Plain, ["is a class; let the entry point name an instance of it: ENGINE = Plain()"]),
        ("text", ["is a str; make it an instance of a class below lockstep.harness.engine_api.EngineBase"]),
        (
            Bare(),
            [
                "`ranks` is missing; add it: def ranks(self, sections) -> int: how many ranks a scenario's sections mean",
                "`command` is missing; add it: def command(self, spec) -> list[str]: the command line of one rank's process",
            ],
        ),
        (altered(name="tooy"), ["`name` is 'tooy'; set it to 'toy', the name of its entry point"]),
        (altered(attached="no"), ["`attached` is 'no'; set it to True or False"]),
        (altered(phases="warmup"), ["`phases` is 'warmup'; set it to a tuple of names"]),
        (altered(phases=("",)), ["`phases` is ('',); set it to a tuple of names"]),
        (altered(sections={"tables": dict}), ["`sections` is {'tables': <class 'dict'>}; set it to a class below "
                                              "lockstep.harness.engine_api.Section"]),
        (altered(sections=Taken), ["`sections` has the key limits, which every scenario has; give yours another name"]),
        (
            altered(sections=FaultSections[Fault]),
            ["`sections` has faults and `phases` is empty; name there the phases of your ranks in which they can happen"],
        ),
        (
            altered(lacks="a tree"),
            ["`lacks` is 'a tree'; make it a method: def lacks(self, spec: Mapping[str, Any]) -> str"],
        ),
        (
            altered(tree=lambda self: "."),
            ["`tree` is called with (spec), and takes (); write: def tree(self, spec: Mapping[str, Any]) -> str"],
        ),
        (altered(phasess=("warmup",)), ["`phasess` means nothing; did you mean phases?"]),
        (altered(resource=lambda self, spec: None), ["`resource` means nothing; did you mean resources?"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plug_in(found: object, said: list[str]) -> None:
    """Said when it is found, before any scenario is read."""
    assert complaints(found) == said


def raising(self: object, *_: object) -> int:
    """A mistake in a plug-in."""
    raise KeyError("tp")


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (altered(ranks=lambda self, sections: 0), "`ranks` gave 0; let it give a whole number from 1 on"),
        (altered(ranks=lambda self, sections: "2"), "`ranks` gave '2'; let it give a whole number from 1 on"),
        (altered(spec=lambda self, sections, ranks: {1: 2}), "`spec` gave {1: 2}; let it give plain JSON: "),
        (altered(spec=lambda self, sections, ranks: {"a": Path()}), "`spec` gave {'a': "),
        (altered(resources=lambda self, spec: {"gpus": 2}), "`resources` gave {'gpus': 2}; let it give Resources(...)"),
        (altered(command=lambda self, spec: "python -m toy"), "`command` gave 'python -m toy'; let it give a list of words"),
        (altered(command=lambda self, spec: []), "`command` gave []; let it give a list of words, the program first"),
        (altered(ranks=raising), "`ranks` raised KeyError: 'tp' ("),
    ],
)
def test_what_is_wrong_with_an_answer(engine: EngineBase[Any], said: str) -> None:
    """Said when the plug-in is asked, while scenarios are loaded; with the line where it raised."""
    with pytest.raises(EngineError) as caught:
        spec = spec_of(engine, NOTHING, ranks_of(engine, NOTHING))
        check_command(engine, spec)
        resources_of(engine, spec)
    assert f"engine 'toy': {said}" in str(caught.value)
    if "raised" in said:
        assert f"({__file__}:" in str(caught.value)


@pytest.mark.parametrize("ranks", [65_537, 10**20])
def test_more_ranks_than_anybody_launches(ranks: int) -> None:
    """They are refused before anything is made for each of them."""
    with pytest.raises(ScenarioError, match=f"{ranks} ranks; at most 65536 are launched"):
        ranks_of(altered(ranks=lambda self, sections: ranks), NOTHING)


def test_installed_engines_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by each file of scenarios: an answer reads what all packages say of themselves. Another path is looked at anew."""
    asked = []

    def counted(group: str) -> EntryPoints:
        asked.append(group)
        return entry_points(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)
    monkeypatch.syspath_prepend("/nowhere-1")
    for _ in range(3):
        assert not sections_of_others(find_engine("minimal")) & {"kv_capacity"}
    assert asked == [GROUP]
    monkeypatch.syspath_prepend("/nowhere-2")
    sections_of_others(find_engine("minimal"))
    assert asked == [GROUP, GROUP]


def installed(folder: Path, code: str) -> None:
    """A distribution with an engine `toy`, as pip would leave it in a folder of modules."""
    (folder / "toyplugin.py").write_text(code)
    about = folder / "toyplugin-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toyplugin\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\ntoy = toyplugin:ENGINE\n")


BEGINNING = "from lockstep.harness.engine_api import EngineBase\nclass Toy(EngineBase):\n    name = 'toy'\n"
SCENARIO = "name: a\nsource: https://example.org\nsummary: s\nengine: toy\nexpect: [{outcome: success}]\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nowhere\n", "cannot be imported: ModuleNotFoundError: No module named 'nowhere' ("),
        ("OTHER = 1\n", "cannot be imported: AttributeError: module 'toyplugin' has no attribute 'ENGINE'"),
        (BEGINNING + "ENGINE = Toy()\n", "`command` is missing; add it: "),
        (BEGINNING + "ENGINE = Toy()\nraise SystemExit(0)\n", "cannot be imported: SystemExit: 0"),
        ("A = 1\nENGINE = = 2\n", "cannot be imported: SyntaxError: invalid syntax (FOLDER/toyplugin.py:2)"),
    ],
)
def test_a_broken_plug_in_that_is_installed(code: str, said: str, tmp_path: Path) -> None:
    """The command line says it at the scenario that names the engine, and ends with 2; other engines go on working."""
    installed(tmp_path, code)
    (tmp_path / "a.yaml").write_text(SCENARIO)
    lockstep = str(Path(sys.executable).parent / "lockstep")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [lockstep, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )

    done = run("list", "a.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("a.yaml:4:9: engine: engine 'toy' (toyplugin:ENGINE)")
    assert said.replace("FOLDER", str(tmp_path)) in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "a.yaml").write_text(SCENARIO.replace("engine: toy", "engine: command\nkonfig: {}"))
    other = run("list", "a.yaml")
    assert other.returncode == 2
    assert "konfig: unknown key; did you mean config?" in other.stderr
