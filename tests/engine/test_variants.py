"""Points and their variants: each is registered, known by one word, and chosen before anything runs."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import lockstep.engines.minimal as minimal
from lockstep.engines.minimal import variants
from lockstep.engines.minimal.spec.points import Point
from lockstep.engines.minimal.spec.schema import Guard, Guards, PhaseGuards
from lockstep.engines.minimal.warmup.variants.guard import GUARDS
from tests.engine.support import settings

ROOT = Path(minimal.__path__[0])


def points() -> Iterator[Point[object]]:
    """Every point that a room has, registered or not."""
    for path in sorted(ROOT.glob("*/variants/[a-z]*.py")):
        module = importlib.import_module(f"{minimal.__name__}.{path.parent.parent.name}.variants.{path.stem}")
        yield from (value for value in vars(module).values() if isinstance(value, Point))


def test_every_point_is_registered_once() -> None:
    """A room's point that nobody registered could be asked for by no scenario."""
    keys = [point.key for point in variants.POINTS]
    assert len(keys) == len(set(keys))
    assert sorted(keys) == sorted({point.key for point in points()})


def test_the_schema_has_every_word() -> None:
    """The keys of `guards` beside the phases are the points, with their words, the sound one as default."""
    fields = {name: field for name, field in Guards.model_fields.items() if name not in PhaseGuards.model_fields}
    assert list(fields) == [point.key for point in variants.POINTS]
    for point in variants.POINTS:
        assert get_args(fields[point.key].annotation) == tuple(point.variants)
        assert fields[point.key].default == point.sound == next(iter(point.variants))


def test_every_guard_has_a_class() -> None:
    """The words of a phase's guard are those that the warm-up knows."""
    assert set(get_args(Guard)) == set(GUARDS)


@pytest.mark.parametrize("point", variants.POINTS, ids=lambda point: point.key)
def test_every_variant_says_what_it_is(point: Point[object]) -> None:
    """A class of its own for each word, whose docstring calls it sound or cites the report of the mistake or of its mend."""
    classes = [value if isinstance(value, type) else type(value) for value in point.variants.values()]
    assert len(set(classes)) == len(classes)
    assert [cls.__name__ for cls in classes if not told(cls)] == []


def test_every_guard_says_what_it_is() -> None:
    """Those of the phases, too."""
    assert [cls.__name__ for cls in GUARDS.values() if not told(cls)] == []


def told(cls: type) -> bool:
    """Whether a class says by its own docstring whose behaviour it is, or that it is sound."""
    text = vars(cls).get("__doc__") or ""
    return bool(re.search(r"\b[\w.-]+/[\w.-]+#\d+|\b[Ss]ound\b", text))


def test_control_flow_knows_no_words() -> None:
    """A variant is looked up by its point; nothing else reads which words a scenario has chosen."""
    reads = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if re.search(r"settings\.variants|\.habits\b", path.read_text())
    }
    assert reads == {"spec/points.py", "variants.py"}


@pytest.mark.parametrize("asked", [{"idle_rank": "sleep"}, {"idle_hands": "dummy"}])
def test_a_variant_that_is_not_there_is_refused(asked: dict[str, str]) -> None:
    """A rank of a commit that lacks what a scenario asks for does not run as if it had it."""
    mine = settings()
    variants.check(mine)
    with pytest.raises(ValueError, match="does not know idle_"):
        variants.check(replace(mine, variants={**mine.variants, **asked}))
    with pytest.raises(ValueError, match="drafter: nothing"):
        variants.check(replace(mine, variants={key: word for key, word in mine.variants.items() if key != "drafter"}))
