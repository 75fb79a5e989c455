"""A YAML file as plain data, with the place of every key and value. PyYAML reads; nothing is executed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lockstep.harness.scenario.errors import FileErrors, Problem
from lockstep.harness.scenario.input_file import LARGEST, read_text

Keys = tuple[str | int, ...]
MOST_VALUES = 20_000  # some ten times as many as the largest file that was seen


@dataclass(slots=True)
class Document:
    """A file's data. `places` maps each path to line and column (from 1) of its key, or of the value in a list."""

    file: str
    data: Any = None
    places: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    values: dict[Keys, tuple[int, int]] = field(default_factory=dict)  # of the value itself
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Keys, what: str, advice: str = "", at_value: bool = False) -> Problem:
        """A problem at a path; where the path does not exist, at the nearest thing above that does."""
        known = path
        while known and known not in self.places:
            known = known[:-1]
        places = self.values if at_value and known == path else self.places
        line, column = places.get(known, (1, 1))
        return Problem(self.file, line, column, dotted(path), what, advice)


def dotted(path: Keys) -> str:
    """`expect[1].when`: a path as people write it."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def read(path: Path, form: str = "a scenario is a mapping of keys", advice: str = "see docs/scenarios.md") -> Document:
    """Read a file. What is wrong with its YAML is in `problems`; `form` and `advice` are said of one that is no mapping."""
    document = Document(str(path))
    try:
        root = _compose(read_text(path))
    except FileErrors as error:
        document.problems += error.problems
        return document
    except yaml.YAMLError as error:
        document.problems.append(_yaml_problem(str(path), error))
        return document
    except RecursionError:
        document.problems.append(Problem(str(path), 1, 1, "", "not valid here: nested too deeply", advice))
        return document
    if not isinstance(root, yaml.MappingNode):
        document.problems.append(Problem(str(path), 1, 1, "", form, advice))
        return document
    try:
        if (much := _too_much(root)) is not None:
            document.problems.append(Problem(str(path), 1, 1, "", *much))
            return document
        document.data = _build(document, root, (), yaml.SafeLoader(""))
    except yaml.YAMLError as error:  # a tag that PyYAML's safe loader does not know, a key that cannot be one
        document.problems.append(_yaml_problem(str(path), error))
    except RecursionError:
        document.problems.append(Problem(str(path), 1, 1, "", "not valid YAML: an anchor holds itself"))
    return document


def _compose(text: str) -> yaml.Node | None:
    """The nodes of a text. libyaml is ten times as fast; what it refuses is told in the words of PyYAML's own parser."""
    if (fast := getattr(yaml, "CSafeLoader", None)) is not None:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            found: yaml.Node | None = yaml.compose(text, Loader=fast)
            return found
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _too_much(root: yaml.Node) -> tuple[str, str] | None:
    """What is wrong with a document that a few lines of aliases, or very many keys, make too large; and what to do."""
    values, letters = _size(root, {})
    if values > MOST_VALUES:
        return f"comes to more than {MOST_VALUES:,} keys and values, with what aliases (*name) repeat", "give a smaller file"
    if letters > LARGEST:
        return f"comes to more than {LARGEST >> 20} MiB of text, with what aliases (*name) repeat", "give a smaller file"
    return None


def _size(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many keys and values a node comes to when it is built, and letters in them; each node is looked at once."""
    if id(node) not in known:
        if isinstance(node, yaml.ScalarNode):
            return 1, len(node.value)
        below = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
        sizes = [_size(one, known) for one in below]
        known[id(node)] = 1 + sum(values for values, _ in sizes), sum(letters for _, letters in sizes)
    return known[id(node)]


def _yaml_problem(file: str, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(filter(None, (error.context, error.problem)))
    else:
        line, column, what = 1, 1, str(error).splitlines()[0]
    advice = "indent with spaces, not with tabs" if "\\t" in what else ""
    return Problem(file, line, column, "", f"not valid YAML: {what}", advice)


def _build(document: Document, node: yaml.Node, path: Keys, loader: yaml.SafeLoader) -> Any:
    document.values[path] = _place(node)
    document.places.setdefault(path, _place(node))
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if isinstance(key, (list, dict, set)):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping cannot be a key", key_node.start_mark)
            below = (*path, key)
            if key in found:
                line, column = _place(key_node)
                document.problems.append(
                    Problem(document.file, line, column, dotted(below), "the key stands here twice", "remove one")
                )
            document.places[below] = _place(key_node)
            found[key] = _build(document, value_node, below, loader)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_build(document, item, (*path, number), loader) for number, item in enumerate(node.value)]
    try:
        return loader.construct_object(node, deep=True)
    except ValueError as error:  # what looks like a date and is none
        raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
