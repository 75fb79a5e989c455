"""The scenarios that come with the product, the JSON Schema, the presets and how files are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lockstep.engines.minimal.plugin import ENGINE
from lockstep.engines.minimal.spec.schema import PHASES, PRESETS
from lockstep.harness.scenario.case import Expectation
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import discover, load, load_all
from lockstep.harness.scenario.schema import json_schema
from tests.scenario.support import GOOD, changed, write

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "scenarios").rglob("*.yaml"))
SCHEMA = json_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenario(path: Path) -> None:
    """Each loads, says where it was reported, and is named as its file is."""
    cases = load(path)
    assert cases
    assert {case.scenario for case in cases} == {path.stem}
    assert all(case.source.startswith("https://") for case in cases)


def test_names_and_ids_are_unique() -> None:
    """No name or id is there twice, over all files."""
    assert len({path.stem for path in SHIPPED}) == len(SHIPPED)
    ids = [case.id for case in load_all([ROOT / "scenarios"])]
    assert len(set(ids)) == len(ids)


def keys(value: Any) -> set[str]:
    """All keys at any depth."""
    if isinstance(value, dict):
        return set(map(str, value)).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_ranks_never_see_expectations() -> None:
    """What ranks get is plain JSON, and holds nothing of the expectation, the summary, the source or the name."""
    for case in load_all([ROOT / "scenarios"]):
        assert json.loads(json.dumps(case.spec)) == case.spec
        assert not keys(case.spec) & {"expect", "outcome", "cause", "blame", "proved", "decision", "when", "summary", "name"}
        text = json.dumps(case.spec)
        assert case.source not in text
        assert case.summary not in text
        assert case.scenario not in text


def test_spec_holds_no_more_than_it_should() -> None:
    """The keys of the spec are a closed list, so that nothing slips in unseen."""
    for case in load_all([ROOT / "scenarios"]):
        if case.engine == "command":
            assert set(case.spec) == {"config", "env", "cwd", "device"}
            continue
        assert set(case.spec) == {
            "parallel", "config", "kv_capacity", "guards", "warmup", "workload", "faults", "on_error", "device", "gpu",
            "habits", "skew", "environment", "cpu",
        }  # fmt: skip
        assert len(case.spec["kv_capacity"]["per_rank"]) == case.ranks


def test_expectation_of_a_point(tmp_path: Path) -> None:
    """The entry that names the most keys of a point holds for it."""
    text = (
        "matrix:\n  guards.general: [none, agree]\nexpect:\n  - {when: {guards.general: none}, outcome: hang, blame: [1]}\n"
    )
    one, two = load(write(tmp_path, changed(("expect:\n", text))))
    assert one.expect == Expectation("hang", blame=(1,))
    assert two.expect == Expectation("success")


# The schema


def test_schema_is_valid() -> None:
    """It is itself a JSON Schema of 2020-12, and all its references lead somewhere."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    used = {ref.removeprefix("#/$defs/") for ref in references(SCHEMA)}
    assert used <= set(SCHEMA["$defs"])


def references(value: Any) -> list[str]:
    """Every `$ref`."""
    if isinstance(value, dict):
        here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return here + [ref for inner in value.values() for ref in references(inner)]
    return [ref for inner in value for ref in references(inner)] if isinstance(value, list) else []


def as_json(text: str) -> Any:
    """What an editor checks: JSON knows text as keys only."""
    return json.loads(json.dumps(yaml.safe_load(text)))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_schema_accepts_what_is_shipped(path: Path) -> None:
    """No editor underlines a scenario that loads."""
    raw = as_json(path.read_text())
    schema = json_schema(raw.get("engine", "minimal"))
    jsonschema.validate(raw, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change",
    [
        ("summary:", "sumary:"),
        ("tp: 2", 'tp: "2"'),
        ("tp: 2", "tp: 0"),
        ("max_batch_size", "max_batchsize"),
        ("max_batch_size: 4", "kv_cache_config: {token_per_block: 4}"),
        ("{blocks: 16}", "{blocks: many}"),
        ("{blocks: 16}", "{blocks: 16, bytes: 1}"),
        ("{blocks: 16}", "{}"),
        ("trtllm-main", "trtllm-mian"),
        ("success", "succes"),
        ("  - {outcome: success}\n", "  []\n"),
        ("name: sample", "name: Sample"),
    ],
)
def test_schema_rejects(change: tuple[str, str]) -> None:
    """What the loader refuses for its form, an editor underlines too."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_json(changed(change)), SCHEMA, cls=jsonschema.Draft202012Validator)


# Finding files


def test_discover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a folder and all below it, or a name below scenarios/; each file once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios" / "deep").mkdir(parents=True)
    first = Path("scenarios/deep/one.yaml")
    second = Path("scenarios/two.yaml")
    for path in (first, second):
        path.write_text(GOOD)
    assert discover(["one"]) == [first]
    assert discover([second]) == [second]
    assert discover(["scenarios"]) == [first, second]
    assert discover(["two", "scenarios", "scenarios/two.yaml"]) == [second, first]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("nothing", "nothing: no such file, folder or scenario; `lockstep list` shows what there is"),
        ("no/such.yaml", "no/such.yaml: no such file, folder or scenario; `lockstep list` shows what there is"),
        ("empty", "empty: no scenario (*.yaml) in this folder"),
        ("one*", "one*: no such file, folder or scenario; did you mean one?"),
        ("", "the name of a scenario is empty; `lockstep list` shows what there is"),
        ("../one", "../one: no such file, folder or scenario; `lockstep list` shows what there is"),
        ("/one", "/one: no such file, folder or scenario; `lockstep list` shows what there is"),
    ],
)
def test_discover_nothing(name: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there is said, with what to do; it ends the command with code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "one.yaml").write_text(GOOD)
    with pytest.raises(ScenarioError) as caught:
        discover([name])
    assert str(caught.value) == wanted
    assert caught.value.exit_code == 2


# Overrides


def test_overrides(tmp_path: Path) -> None:
    """`--set` changes the document before it is checked; what the matrix varies cannot be set."""
    text = "matrix:\n  guards.general: [none, agree]\nexpect:\n"
    path = write(tmp_path, changed(("expect:\n", text)))
    cases = load(path, {"limits.deadline_s": 5, "config.max_batch_size": 2})
    assert [case.limits.deadline_s for case in cases] == [5, 5]
    assert [case.spec["config"]["max_batch_size"] for case in cases] == [2, 2]
    with pytest.raises(ScenarioError, match=r"^--set guards.general: the matrix of \S+ varies it; choose cases with -k"):
        load(path, {"guards.general": "assert"})


# Presets

# attention, general, autotuner, generation_capture, prefill_capture, memory_pool; -: the phase does not exist
TABLE = {
    "trtllm-before-14126": "- none none none none none",
    "trtllm-14126": "- assert assert none none assert",
    "trtllm-14986": "- assert assert assert none assert",
    "trtllm-main": "agree agree agree none assert agree",
}


@pytest.mark.parametrize("preset", TABLE)
def test_preset(preset: str) -> None:
    """Each preset has the phases and guards of the upstream state that it is named after."""
    found = ENGINE.resolve({"preset": preset})
    row = " ".join(found["guards"][phase] if found["warmup"][phase] else "-" for phase in PHASES)
    assert row == TABLE[preset]


def test_table_of_presets_is_complete() -> None:
    """Every preset is in the table above, and is one of those that the schema allows."""
    assert set(TABLE) == set(PRESETS)
    assert set(SCHEMA["$defs"]["Guards"]["properties"]["preset"]["enum"]) == set(PRESETS)


@pytest.mark.parametrize("preset", TABLE)
@pytest.mark.parametrize("phase", PHASES)
def test_phase_beside_a_preset(preset: str, phase: str) -> None:
    """A phase named beside a preset has that guard, exists, and changes no other."""
    plain = ENGINE.resolve({"preset": preset})
    found = ENGINE.resolve({"preset": preset, phase: "sync-skip"})
    assert found["guards"] == {**plain["guards"], phase: "sync-skip"}
    assert found["warmup"] == {**plain["warmup"], phase: True}
