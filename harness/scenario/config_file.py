"""`config_file` of a scenario: sections that come from a product's own config, under what the scenario says itself."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.harness.scenario.document import Document, Keys, dotted
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.errors import FileErrors, Problem, ScenarioError
from lockstep.harness.scenario.frame import DEFAULT_ENGINE, ConfigFile
from lockstep.harness.scenario.imported import ForeignConfig, Imported
from lockstep.harness.scenario.input_file import read_text
from lockstep.harness.scenario.validate import validate

KEY = "config_file"
MOST_LINES = 20  # that are told of


@dataclass(frozen=True, slots=True)
class Merged:
    """A scenario with what its config says. `imported`: None where it names none."""

    data: dict[Any, Any]
    imported: Imported | None = None
    own: Document = field(default_factory=lambda: Document(""))

    def placed(self, problem: Problem) -> Problem:
        """A problem with what only the config says stands in the config."""
        if self.imported is None or problem.line == 0:
            return problem
        origins = {dotted(path): origin for path, origin in self.imported.origins.items()}
        own = {dotted(path) for path in self.own.places}
        if problem.path in own:
            return problem
        found = origins.get(_longest(problem.path, origins))
        return found.problem(problem.what, problem.advice) if found is not None else problem


def merged(document: Document, overrides: Mapping[str, Any] | None = None) -> Merged:
    """A scenario's data, with its config's. Raises FileErrors for all that is wrong with the config, or that is missing: it
    may stand in the scenario, or in `overrides` with dotted keys."""
    asked = document.data.get(KEY)
    if not isinstance(asked, (str, dict)):
        return Merged(dict(document.data))  # none, or one that the frame refuses
    section, problems = validate(ConfigFile, {"path": asked} if isinstance(asked, str) else asked, document, (KEY,))
    name = document.data.get("engine", DEFAULT_ENGINE)
    if section is None or not isinstance(name, str):
        raise FileErrors(problems or [document.problem(("engine",), "must be the name of an engine", at_value=True)])
    path = Path(document.file).parent / section.path
    if path.is_dir() or not path.exists():  # said where it is named: nobody has typed the path of the config itself
        what = f"{section.path}: {'is a folder' if path.is_dir() else 'no such file'}"
        raise FileErrors([document.problem((KEY,), what, "give the path of a config, relative to this file", at_value=True)])
    try:
        read_text(path, pipes=False)
    except FileErrors as error:
        what, advice = f"{section.path}: {error.problems[0].what}", error.problems[0].advice
        raise FileErrors([document.problem((KEY,), what, advice, at_value=True)]) from error
    quoted = _may_be_quoted(path, Path(document.file))
    config = ForeignConfig(path, (), section.product, section.ignore_unknown, section.scale, typed=False, quoted=quoted)
    try:
        imported = find_engine(name).imported(config)
    except ScenarioError as error:
        raise FileErrors([document.problem((KEY,), str(error), at_value=True)]) from error
    wrong = list(imported.problems) if quoted else _counted(path, imported.problems)
    said = {*document.data, *(key.split(".")[0] for key in overrides or ())}
    for missing in imported.missing:
        if missing.path[0] not in said:
            example = f"add {missing.path[0]}: {{{missing.path[-1]}: {missing.example}}} to this file, with your number"
            wrong.append(document.problem((KEY,), f"{dotted(missing.path)} {missing.what}", example))
    if wrong:
        raise FileErrors(wrong)
    return Merged(under(imported, document.data), imported, document)


def _may_be_quoted(path: Path, scenario: Path) -> bool:
    """Whether mistakes of a config may show what it holds: where whoever wrote the scenario could have put it there, or the
    user works. A scenario of somebody else can name any file that its reader may read, and its log may be public."""
    here, home = Path.cwd(), Path(os.path.expanduser("~"))  # noqa: PTH111  (without a home it stays as it is)
    folders = {scenario.parent.resolve()} | ({here} - {home, Path("/")})
    return any(path.resolve().is_relative_to(folder) for folder in folders)


def _counted(path: Path, problems: Sequence[Problem]) -> list[Problem]:
    """The mistakes in a config of which nothing is shown."""
    if not problems:
        return []
    lines = sorted({problem.line for problem in problems})
    what = f"{len(problems)} mistake{'s' * (len(problems) > 1)}, in line{'s' * (len(lines) > 1)} "
    what += ", ".join(map(str, lines[:MOST_LINES])) + (", ..." if len(lines) > MOST_LINES else "")
    advice = "since it lies in no folder of the scenario or of yours, only `lockstep import FILE` tells which"
    return [Problem(str(path), lines[0], 1, "", what, advice)]


def under(imported: Imported, own: Mapping[Any, Any]) -> dict[Any, Any]:
    """What the config says, wherever the scenario does not say otherwise."""
    return _under(imported.sections, own, imported.whole)


def _under(below: Mapping[Any, Any], above: Mapping[Any, Any], whole: frozenset[str] = frozenset()) -> dict[Any, Any]:
    found = copy.deepcopy({**below, **above})
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        if both and key not in whole:
            found[key] = _under(below[key], value)
    return found


def _longest(path: str, origins: Mapping[str, object]) -> str:
    """The longest of the config's paths that this one is in; its own text where there is none."""
    found = [one for one in origins if path == one or path.startswith((f"{one}.", f"{one}["))]
    return max(found, key=len, default=path)


def given_path(keys: Keys) -> str:
    """A path as `--set` takes it."""
    return ".".join(map(str, keys))
