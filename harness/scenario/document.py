"""A YAML file as plain data, with the place of every key and value. PyYAML reads; nothing is executed."""

from __future__ import annotations

import contextlib
import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lockstep.harness.scenario.errors import FileErrors, Problem, ScenarioError
from lockstep.harness.scenario.input_file import LARGEST, read_text

Keys = tuple[str | int, ...]
MOST_VALUES = 20_000  # some ten times as many as the largest file that was seen
MOST_DIGITS = 100  # reading and writing a number takes time by the square of them
_TAG = "tag:yaml.org,2002:"
_OPEN = (-1, -1)  # the size of a node that is being looked at
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_ACTS = re.compile("[\x00-\x1f\x7f-\x9f]")
_RESOLVER = yaml.resolver.Resolver()
_NUMBER, _FRACTION, _MERGE = f"{_TAG}int", f"{_TAG}float", f"{_TAG}merge"
_OTHER_BASE = re.compile(r"[-+]?0[0-7_]*[0-7]|.*:.*")  # octal, sixties


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


def read(
    path: Path, form: str = "a scenario is a mapping of keys", advice: str = "see docs/scenarios.md", pipes: bool = True
) -> Document:
    """Read a file. What is wrong with its YAML is in `problems`; `form` and `advice` are said of one that is no mapping."""
    try:
        text = read_text(path, pipes=pipes)
    except FileErrors as error:
        return Document(str(path), problems=list(error.problems))
    return of_text(str(path), text, form, advice)


def of_text(file: str, text: str, form: str = "", advice: str = "") -> Document:
    """A text as a document. `form` empty: it need be no mapping, as a value of the command line."""
    document = Document(file)
    if bad := _UNUSABLE.search(text):  # of a command line whose bytes are no text; libyaml would fail over it
        document.problems.append(Problem(file, 1, 1, "", f"holds {bad[0]!a}, which is no text", advice))
        return document
    try:
        root = _compose(text)
        if form and not isinstance(root, yaml.MappingNode):
            document.problems.append(Problem(file, 1, 1, "", form, advice))
        elif root is not None and (much := _too_much(root)) is not None:
            document.problems.append(Problem(file, 1, 1, "", *much))
        elif root is not None:
            document.data = _build(document, root, (), yaml.SafeLoader(""))
    except yaml.YAMLError as error:  # also a tag, or a key that cannot be one
        document.problems.append(_yaml_problem(file, error))
    except RecursionError:
        document.problems.append(Problem(file, 1, 1, "", "nested too deeply", advice))
    return document


def value_of(text: str, said: str) -> Any:
    """A YAML value on a command line, as bounded as a file. `said`: where it stands. Raises ScenarioError."""
    if len(text) > LARGEST:
        raise ScenarioError(f"{said}: longer than {LARGEST >> 20} MiB; give a shorter value")
    document = of_text(said, text)
    if document.problems:
        problem = document.problems[0]
        place = f" (character {problem.column})" if problem.column > 1 else ""
        advice = f"; {problem.advice}" if problem.advice else ""
        raise ScenarioError(f"{said}: {problem.what}{place}{advice}")
    return document.data


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
        known[id(node)] = _OPEN
        below = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
        sizes = [_size(one, known) for one in below]
        known[id(node)] = 1 + sum(values for values, _ in sizes), sum(letters for _, letters in sizes)
    elif known[id(node)] == _OPEN:
        raise _refused(node, "an anchor holds itself")
    return known[id(node)]


YAML_ADVICE = {  # what the parser's words mean to a person
    "\\t": "indent with spaces, not with tabs",
    "a single document": "leave out `---`; each scenario has a file of its own",
    "flow mapping": "look for a { above that is not closed",
    "flow sequence": "look for a [ above that is not closed",
    "quoted scalar": "look for a quote above that is not closed",
}


def _yaml_problem(file: str, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(filter(None, (error.context, error.problem)))
    else:
        line, column, what = 1, 1, str(error).splitlines()[0]
    what, _, advice = what.partition("; ")
    advice = next((told for words, told in YAML_ADVICE.items() if words in what), advice)
    return Problem(file, line, column, "", f"not valid YAML: {what}", advice)


def _build(document: Document, node: yaml.Node, path: Keys, loader: yaml.SafeLoader) -> Any:
    _check(node)
    document.values[path] = _place(node)
    document.places.setdefault(path, _place(node))
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refused(key_node, "a list or mapping cannot be a key")
            _check(key_node)
            if _ACTS.search(key_node.value):
                raise _refused(key_node, f"a key with a control character: {key_node.value!a}")
            key = _scalar(key_node, loader)
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
    return _scalar(node, loader)


def _scalar(node: yaml.Node, loader: yaml.SafeLoader) -> Any:
    try:
        return loader.construct_object(node)
    except (ValueError, OverflowError) as error:  # what looks like a date and is none
        raise _refused(node, str(error)) from error


def _check(node: yaml.Node) -> None:
    """Raise for a tag, which says how a value is made and not what it is, for many digits, and for what no text holds."""
    if isinstance(node, yaml.ScalarNode):
        if bad := _UNUSABLE.search(node.value):
            raise _refused(node, f"a text with {bad[0]!a} in it, which no file name or command can hold")
        wanted = _resolve(yaml.ScalarNode, node.value, (not node.style, bool(node.style)))
        if node.tag == _NUMBER and len(node.value) > MOST_DIGITS:
            raise _refused(node, f"a number of more than {MOST_DIGITS} digits")
        if node.tag in (_NUMBER, _FRACTION) and _OTHER_BASE.fullmatch(node.value):
            raise _refused(node, _other_base(node))
    else:
        kind: Any = type(node)
        wanted = _resolve(kind, None, True)
    if node.tag not in (wanted, _MERGE):
        raise _refused(node, f"a tag ({node.tag.removeprefix(_TAG)}) is not taken here; write the value without it")
    if node.tag == _MERGE:
        raise _refused(node, "the merge key << is not taken here; write out what it merges")


def _other_base(node: yaml.ScalarNode) -> str:
    """Of what looks like a time, an address or a plain number and is read as another one; whoever means it can say so."""
    loader = yaml.SafeLoader("")
    value = loader.construct_yaml_int(node) if node.tag == _NUMBER else loader.construct_yaml_float(node)
    how = "counted by sixties" if ":" in node.value else "octal, as it begins with 0"
    return f"{node.value} is the number {value} to YAML ({how}); write {value}, or quote it"


@functools.lru_cache(maxsize=4096)
def _resolve(kind: Any, value: str | None, implicit: Any) -> Any:
    """The tag of a node that names none. The same words stand in many files, and each is tried with several patterns."""
    resolver: Any = _RESOLVER
    return resolver.resolve(kind, value, implicit)


def _refused(node: yaml.Node, what: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
