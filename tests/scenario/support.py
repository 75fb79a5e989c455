"""A scenario that is right, and ways to make it wrong."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.load import load

GOOD = """\
name: sample
source: https://example.org/1
summary: A sample.
parallel: {tp: 2}
config:
  max_batch_size: 4
kv_capacity: {blocks: 16}
guards: {preset: trtllm-main}
expect:
  - {outcome: success}
"""


def write(folder: Path, text: str, name: str = "a.yaml") -> Path:
    """A file with this text."""
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def changed(*changes: tuple[str, str]) -> str:
    """The good scenario with texts replaced; each must be there once."""
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def problems(path: Path) -> list[str]:
    """What the file is refused for, a line each, with its name alone instead of its path."""
    with pytest.raises(FileErrors) as caught:
        load(path)
    return str(caught.value).replace(str(path), path.name).splitlines()
