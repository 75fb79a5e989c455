"""From scenario files to cases. Every mistake of every file is reported at once; nothing is launched meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.config_file import Merged, merged
from lockstep.harness.scenario.document import Document, read
from lockstep.harness.scenario.errors import FileErrors, Problem, ScenarioError
from lockstep.harness.scenario.imported import Note
from lockstep.harness.scenario.loader import Loader
from lockstep.harness.scenario.matrix import substitute, unnamed
from lockstep.harness.scenario.places import WAIVES, below_root, named


def discover(names: Iterable[str | Path]) -> list[Path]:
    """The files that are meant: a file, a folder with all below it, or the name of a scenario.

    Raises ScenarioError with every name that means nothing.
    """
    found: list[Path] = []
    wrong: list[str] = []
    for name in names:
        try:
            found += _meant(name)
        except ScenarioError as error:  # noqa: PERF203  (a name a turn)
            wrong.append(str(error))
    if wrong:
        raise ScenarioError("\n".join(dict.fromkeys(wrong)))
    return list(dict.fromkeys(found))


def _meant(name: str | Path) -> list[Path]:
    if not str(name):
        raise ScenarioError("the name of a scenario is empty; `lockstep list` shows what there is")
    for path in (Path(name), below_root(Path(name))):
        if path.is_dir():
            below = sorted(file for file in path.rglob("*.yaml") if file.name != WAIVES and file.is_file())
            if not below:
                raise ScenarioError(f"{path}: no scenario (*.yaml) in this folder")
            home = path.resolve()
            if away := [file for file in below if not file.resolve().is_relative_to(home)]:
                # It may lead to any file of whoever reads the folder, whose lines would then be told as unknown keys.
                raise ScenarioError(f"{away[0]}: a link out of {path}; name that file by itself, or copy it")
            return below
        if path.exists():  # also a pipe; who reads it says what cannot be read
            return [path]
    return named(str(name))


def load_all(names: Iterable[str | Path], overrides: Mapping[str, Any] | None = None) -> list[Case]:
    """The cases of all files. Raises FileErrors with the problems of all of them."""
    cases: list[Case] = []
    problems: list[Problem] = []
    first: dict[str, str] = {}
    for path in discover(names):
        try:
            loaded = load(path, overrides)
        except FileErrors as error:
            problems += error.problems
            continue
        name = loaded[0].scenario
        if name in first:
            problems.append(Problem(str(path), 1, 1, "name", f"{name} is also the name of {first[name]}", "change one"))
        first[name] = str(path)
        cases += loaded
    if problems:
        raise FileErrors(problems)
    return cases


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> list[Case]:
    """The cases of one file, in the order of its matrix. `overrides` sets dotted keys before anything is checked.

    Raises FileErrors; ScenarioError for an override of what the matrix varies.
    """
    document = read(path)
    if document.problems:
        raise FileErrors(document.problems)
    matrix = document.data.get("matrix")
    varied = sorted(set(overrides or ()) & set(matrix if isinstance(matrix, dict) else ()))
    if varied:
        raise ScenarioError(f"--set {', '.join(varied)}: the matrix of {path} varies it; choose cases with -k instead")
    return cases_of(document, merged(document, overrides), overrides or {})


def cases_of(document: Document, whole: Merged, overrides: Mapping[str, Any]) -> list[Case]:
    """The cases of a document that has been read. Raises FileErrors, each problem where it comes from."""
    try:
        return Loader(document, substitute(whole.data, overrides)).cases()
    except FileErrors as error:
        placed = [whole.placed(_of_option(problem, overrides)) for problem in error.problems]
        raise FileErrors(placed) from error


def given(case: Case, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a case's file says at its point, with what `overrides` sets: all in which it differs from the defaults."""
    data, _ = unnamed(merged(read(Path(case.path)), overrides).data)
    return substitute(substitute(data, overrides or {}), case.point)


def notes(case: Case, overrides: Mapping[str, Any] | None = None) -> tuple[Note, ...]:
    """What was made of the config that a case's file names, a line a key."""
    imported = merged(read(Path(case.path)), overrides).imported
    return imported.notes if imported is not None else ()


def _of_option(problem: Problem, overrides: Mapping[str, Any]) -> Problem:
    """A problem of what `--set` has put into a file is one of that option, not of the file's first line."""
    for key in overrides:
        if problem.path == key or problem.path.startswith((f"{key}.", f"{key}[")):
            return replace(problem, file=f"--set {key}", line=0, column=0, path=problem.path.removeprefix(key).lstrip("."))
        if key.startswith(f"{problem.path}.") and problem.path:  # of the section: the file's own values may be right
            return replace(problem, what=f"{problem.what} (with --set {key})")
    return problem
