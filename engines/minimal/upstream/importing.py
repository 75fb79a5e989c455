"""A config of another engine, whichever it is: read, told whose it is, and translated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from lockstep.engines.minimal.spec.schema import PhaseGuards
from lockstep.engines.minimal.upstream import sglang, trtllm, vllm
from lockstep.engines.minimal.upstream.command_line import CONFIGS, MODEL, options, program_of
from lockstep.engines.minimal.upstream.entries import Entries, Entry
from lockstep.engines.minimal.upstream.tables import PRODUCTS, Table, table, tables
from lockstep.engines.minimal.upstream.translation import Translation
from lockstep.harness.engine_api import (
    Document,
    ForeignConfig,
    Imported,
    Note,
    Origin,
    Path,
    Problem,
    ScenarioError,
    read_document,
)

TRANSLATE = {"trtllm": trtllm.translate, "vllm": vllm.translate, "sglang": sglang.translate}
PRESET = PhaseGuards.model_fields["preset"].default
# No config says what ranks do where they differ: that is the code of the release.
GUARDS = {"trtllm": f"in no config: the preset {PRESET} stands for them; --set guards.preset=NAME for an older release"}
OTHER_GUARDS = (
    f"in no config: the preset {PRESET} stands for them, which is TensorRT-LLM's; {{product}} has none of its own here, and "
    "--set guards.KEY=VALUE says what its ranks do"
)
FORM = "an engine's config is a mapping of keys"


def import_config(config: ForeignConfig) -> Imported:
    """The sections that a config comes to. Raises ScenarioError where it is not told whose it is."""
    if config.product and config.product not in PRODUCTS:
        raise ScenarioError(f"--from {config.product}: there are {', '.join(PRODUCTS)}")
    if config.words:
        return _command_line(config)
    assert config.file is not None  # noqa: S101  (one of both is given)
    document = _read(config.file, config.typed)
    if document.problems:
        return Imported("", {}, problems=tuple(document.problems))
    known = table(config.product) if config.product else _whose(document)
    if known is None:
        option = "--from" if config.typed else "product beside path in config_file:"
        product = f"give {option} {', '.join(PRODUCTS[:-1])} or {PRODUCTS[-1]}"
        problem = Problem(document.file, 1, 1, "", "its keys do not tell whose config this is", product)
        return Imported("", {}, problems=(problem, *_near_misses(document)))
    if not config.typed and document.data and not any(_knows(known, key) for key in document.data):
        # A scenario of somebody else may name any file of its reader, such as one with passwords: none of that is told.
        what = f"none of its {len(document.data)} keys is one of {known.product} ({known.version})"
        return Imported("", {}, problems=(Problem(document.file, 1, 1, "", what, "name a config of it"),))
    entries = Entries(known, config.ignore_unknown, config.quoted)
    entries.add_all(document.data, lambda path: _origin(document, path))
    return _translated(entries, config.scale)


def whose(key: str) -> Table | None:
    """The product that has a key of this name at the top or in a section, the first of several."""
    return next((known for known in tables() if known.spelt(key) in known.names or known.is_section(known.spelt(key))), None)


def _translated(entries: Entries, scale: int | None, whole: bool = False) -> Imported:
    """`whole`: what the config does not say is the product's default, since nothing is said elsewhere."""
    translation = Translation(entries)
    TRANSLATE[entries.table.name](translation, scale)
    translation.leave_rest()
    translation.told("guards", GUARDS.get(entries.table.name, OTHER_GUARDS).format(product=entries.table.product))
    if whole:
        asked = [missing for missing in translation.missing if missing.path[0] == "parallel"]
        translation.missing = [missing for missing in translation.missing if missing not in asked]
        if asked:
            translation.put(("parallel", "tp"), 1)
            translation.told("ranks", "one, as the command line says no more: it meets nobody, so nothing can hang")
    return translation.imported()


def _command_line(config: ForeignConfig) -> Imported:
    found = program_of(config.words)
    if found is None and not config.product:
        programs = ", ".join(program for known in tables() for program in known.programs)
        raise ScenarioError(
            f"{' '.join(config.words[:4])} ...: no server that is known; give the command line of {programs}"
        )
    known, start = found or (table(config.product), 0)
    entries = Entries(known, config.ignore_unknown)
    given: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, key, value in options(known, config.words[start:]):
        if key in given and MODEL in (name, places[key]):
            models = f"{given[key]} and {value} both stand for the model"
            entries.problems.append(Problem(name, 0, 0, "", models, "write each word behind the option that takes it"))
        if key in CONFIGS and (value is None or isinstance(value, bool)):
            entries.problems.append(Problem(name, 0, 0, "", "names no file", f"give {name} FILE, or leave it out"))
        elif key in CONFIGS:
            _add_file(entries, File(str(value)), f"{name} {value}")
        else:
            given[key] = value
            places[key] = name
    of_files = dict(entries.found)
    entries.wins = True
    assigned = {key for key, name in places.items() if " " in name}  # of the form PATH=VALUE
    for key in sorted(given, key=lambda key: key in assigned):
        _add_option(entries, key, given[key], places[key])
    _tell_of_overrides(entries, of_files)
    return _translated(entries, config.scale, whole=True)


def _tell_of_overrides(entries: Entries, of_files: Mapping[str, Entry]) -> None:
    """What an option says otherwise than a file: upstream has changed its mind about who wins."""
    for key, before in of_files.items():
        now = entries.found.get(key)
        if now is not None and now.value != before.value:
            text = f"{now.value!r}, not {before.value!r} as in {before.origin.file}: {entries.table.precedence}"
            entries.notes.append(Note("taken", now.origin.file, text))


def _add_file(entries: Entries, path: File, said: str) -> None:
    """Options win over the file that one of them names."""
    document = _read(path)
    entries.problems += document.problems
    if not document.problems:
        entries.notes.append(Note("taken", said, "its keys, where no option says otherwise"))
        entries.add_all(document.data, lambda where: _origin(document, where))


def _add_option(entries: Entries, key: str, value: Any, name: str) -> None:
    first, _, below = key.partition(".")
    data: Any = value
    for part in reversed(below.split(".") if below else []):
        data = {part: data}
    entries.add_all({first: data}, lambda path: Origin(name, 0, 0, ""))


def _read(path: File, pipes: bool = True) -> Document:
    document = read_document(path, FORM, "give a YAML or JSON file", pipes)
    if not document.problems and not all(isinstance(key, str) for key in document.data):
        document.problems.append(Problem(document.file, 1, 1, "", FORM, "its keys are names"))
    return document


def _origin(document: Document, path: Path) -> Origin:
    known = path
    while known and known not in document.places:
        known = known[:-1]
    line, column = document.places.get(known, (1, 1))
    return Origin(document.file, line, column, ".".join(map(str, path)))


def _whose(document: Document) -> Table | None:
    """The product that knows the most keys at the top; None where two know as many."""
    data: Mapping[Any, Any] = document.data
    counts = sorted(((sum(_knows(known, key) for key in data), known.name) for known in tables()), reverse=True)
    (most, name), (next_most, _) = counts[0], counts[1]
    return table(name) if most > next_most else None


def _near_misses(document: Document) -> list[Problem]:
    """The keys that no product has, with the known ones that may be meant; a key near none of them is left out."""
    found: list[Problem] = []
    for key in document.data:
        if any(_knows(known, key) for known in tables()):
            continue
        near: dict[str, list[str]] = {}
        for known in tables():
            top = {name.partition(".")[0] for name in known.names}
            if meant := known.meant(known.spelt(key), top):
                near.setdefault(meant, []).append(known.product)
        if near:
            line, column = document.places.get((key,), (1, 1))
            meant = " or ".join(f"{name} ({', '.join(products)})" for name, products in near.items())
            found.append(Problem(document.file, line, column, str(key), "no engine has this key", f"did you mean {meant}?"))
    return found


def _knows(known: Table, key: object) -> bool:
    spelt = known.spelt(key)
    return spelt in known.names or known.is_section(spelt)
