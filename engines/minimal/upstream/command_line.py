"""A server's command line as the keys that it sets, such as `vllm serve MODEL -tp 4`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lockstep.engines.minimal.upstream.tables import Table, tables
from lockstep.harness.engine_api import parse_document

CONFIGS = ("config", "extra_llm_api_options")  # options that name a file with more keys
MODEL = "MODEL"  # the name of the word that is no option
NUMBER = re.compile(r"-\d")


def program_of(words: Sequence[str]) -> tuple[Table, int] | None:
    """Whose command line this is, and where its options begin; None: nobody's. What stands before (env, mpirun, a launcher
    of processes) does not matter."""
    for start, word in enumerate(words):
        for known in tables():
            for program in known.programs:
                first, *rest = program.split()
                if word.rpartition("/")[2] == first and list(words[start + 1 : start + 1 + len(rest)]) == rest:
                    return known, start + 1 + len(rest)
    return None


def options(table: Table, words: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """Each option as it is written, its key and its value; the model, which is no option, comes as MODEL."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_option(word):
            yield MODEL, table.spelt("model"), word
            continue
        name, equals, given = word.partition("=")
        first, dot, below = name.lstrip("-").partition(".")
        key = table.spelt(first) + dot + below.replace("-", "_")
        if key in table.assignments:
            path, _, value = (given if equals else rest.pop(0) if rest else "").partition("=")
            yield f"{name} {path}", path, _value(value)
        elif equals:
            yield name, key, _value(given)
        elif (off := _switched_off(table, key)) is not None:
            yield name, off, False
        elif key in table.switches:
            yield name, key, True
        elif match := re.fullmatch(r"-O(\d)", name):
            yield name, "optimization_level", int(match[1])
        elif table.takes_several(key) or (key not in table.names and "." not in key):
            yield name, key, _several(rest)
        elif rest and not _is_option(rest[0]):
            yield name, key, _value(rest.pop(0))
        else:
            yield name, key, True


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not NUMBER.match(word)


def _switched_off(table: Table, key: str) -> str | None:
    """The switch that `--no-NAME` turns off."""
    plain = key.removeprefix("no_")
    return plain if key != plain and key not in table.names and table.spelt(plain) in table.switches else None


def _several(rest: list[str]) -> Any:
    """All words up to the next option: one as itself, several as a list, none as a switch."""
    found: list[Any] = []
    while rest and not _is_option(rest[0]):
        found.append(_value(rest.pop(0)))
    if not found:
        return True
    return found if len(found) > 1 else found[0]


def _value(text: str) -> Any:
    if text.lstrip().startswith("{"):  # a section as JSON, which stays as it is until its key is known
        return text
    document = parse_document("", text)
    return text if document.problems else document.data
