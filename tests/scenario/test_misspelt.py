"""A key that is misspelt is told with what was meant, wherever it stands, and little beside it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.load import load

SHIPPED = Path(__file__).parents[2] / "scenarios"
FREE = ("detail", "environment")  # sections whose keys anybody may choose
Path_ = tuple[str | int, ...]


def keys(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every key below a value."""
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(key, str):
            yield (*path, key)
        yield from keys(below, (*path, key))


def each_key_once() -> Iterator[tuple[Path, Path_]]:
    """Every key that a shipped scenario has somewhere, with a file that has it."""
    seen: set[Path_] = set()
    for file in sorted(SHIPPED.rglob("*.yaml")):
        for path in keys(yaml.safe_load(file.read_text())):
            kind = tuple("*" if isinstance(key, int) else key for key in path)
            named = path[0] == "matrix" and len(path) == 3 and isinstance(path[2], str)  # a name of a value
            if kind not in seen and not named and not set(path[:-1]) & set(FREE):
                seen.add(kind)
                yield file, path


def misspelt(key: str) -> str:
    """With its last letter but one left out."""
    return key[:-2] + key[-1] if len(key) > 3 else f"{key}x"


@pytest.mark.parametrize("section", ["", "matrix", "expect", "config", "guards", "workload", "faults", "kv_capacity"])
def test_every_key(section: str, tmp_path: Path) -> None:
    """Each key of the section, also those of `when` and of a fault: the first mistake that is told says what was meant,
    and what follows from it does not hide it."""
    file = tmp_path / "misspelt.yaml"
    tried = [(source, path) for source, path in each_key_once() if (path[0] if len(path) > 1 else "") == section]
    assert len(tried) >= 3
    for source, path in tried:
        data = yaml.safe_load(source.read_text())
        whole = copy.deepcopy(data)
        here = whole
        for key in path[:-1]:
            here = here[key]
        here[misspelt(str(path[-1]))] = here.pop(path[-1])
        file.write_text(yaml.safe_dump(whole, sort_keys=False))
        with pytest.raises(FileErrors) as found:
            load(file)
        told = str(found.value).splitlines()
        assert any("did you mean" in line for line in told), (source, path, told)
        assert len(told) <= 3, (source, path, told)
