"""The harness knows no engine: not by import, which import-linter sees, and not by the names of an engine's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from lockstep.engines.minimal.plugin import ENGINE
from lockstep.engines.minimal.spec.schema import PRESETS
from lockstep.engines.minimal.spec.sections import FaultKind, MessageKind, Sections
from lockstep.engines.minimal.upstream.tables import tables
from lockstep.harness.scenario.faults import Fault, Skew
from lockstep.harness.scenario.frame import Frame
from lockstep.harness.scenario.validate import _models as models_in

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "harness").rglob("*.py"))
ELSEWHERE = {"memory_bytes", "device-error"}  # of a real GPU; a cause of verdicts
# Names that are one word and could be nothing else.
WORDS = {"autotuner", "symm_mem", "attention", "minimal", "habits", "trtllm", "TensorRT", "vllm", "ballast"}
ALLOWED = {("frame.py", "minimal")}  # which engine a scenario means that names none is part of the file format


def below(*models: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models and all models of their fields."""
    for model in models:
        yield model
        for field in model.model_fields.values():
            yield from below(*models_in(field.annotation))


def names() -> set[str]:
    """What the minimal engine calls its settings, phases, faults and presets, where it is more than a plain English word."""
    fields = {name for model in below(Sections) for name in model.model_fields}
    fields -= {name for model in below(Frame, Fault, Skew) for name in model.model_fields}
    upstream = {part for known in tables() for key in known.keys for part in key.split(".")}
    said = {*fields, *ENGINE.phases, *PRESETS, *upstream, *get_args(FaultKind), *get_args(MessageKind)}
    return {word for word in said if "_" in word or "-" in word} - ELSEWHERE | WORDS


def test_names_are_found() -> None:
    """The list below is not empty by mistake."""
    assert {
        "kv_capacity",
        "attention_dp",
        "generation_capture",
        "tokens_per_block",
        "step_broadcast",
        "trtllm-main",
    } <= names()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_of_an_engine(path: Path) -> None:
    """No file of the harness has one, in code or in words."""
    found = set(re.findall(r"[\w-]+", path.read_text())) & names()
    assert not {word for word in found if (path.name, word) not in ALLOWED}
