"""Configs in files and on command lines, imported or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lockstep.engines.minimal.upstream.importing import import_config
from lockstep.harness.engine_api import ForeignConfig, Imported
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.load import load

FRAME = {"name": "imported", "source": "https://example.org", "summary": "A config.", "expect": [{"outcome": "success"}]}


def written(folder: Path, config: object, name: str = "config.yaml") -> Path:
    """A config in a file."""
    path = folder / name
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def of_file(folder: Path, config: object, product: str = "", **more: Any) -> Imported:
    """What comes of a config in a file."""
    return import_config(ForeignConfig(written(folder, config), product=product, **more))


def of_words(line: str, **more: Any) -> Imported:
    """What comes of a command line."""
    return import_config(ForeignConfig(words=tuple(line.split()), **more))


def loaded(folder: Path, upstream: object, **more: Any) -> list[Case]:
    """The cases of a scenario that names a config. Raises FileErrors."""
    written(folder, upstream)
    return load(written(folder, {**FRAME, "config_file": "config.yaml", **more}, "scenario.yaml"))


def notes(imported: Imported, kind: str) -> dict[str, str]:
    """Key -> what was said of it."""
    return {note.key: note.text for note in imported.notes if note.kind == kind}
