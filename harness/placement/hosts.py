"""The hosts that a run may use: read from a host file or from the command line. A slot is room for one rank."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lockstep.harness.launch.interface import Interface, is_this_host, resolve
from lockstep.harness.scenario.errors import FileErrors, Problem, ScenarioError
from lockstep.harness.scenario.input_file import read_text

INLINE = "--hosts"  # stands for the file in problems of a list on the command line
UNLIMITED = 1 << 30
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
WORD = re.compile(r"[^\s,]+")
FORM = "give name, name:4 or name slots=4"
VERSION_6 = "a host with IPv6 only needs a name, as /etc/hosts can give it: MPI launchers take no such address"


@dataclass(frozen=True, slots=True)
class Host:
    """A machine and how many ranks it has room for. `here`: it is the one on which this process runs."""

    name: str
    slots: int
    here: bool = False


@dataclass(frozen=True, slots=True)
class Hosts:
    """All hosts of a run. `head`: the interface by which they reach this one; None when there is no other."""

    every: tuple[Host, ...]
    head: Interface | None = None

    @staticmethod
    def only_this() -> Hosts:
        """What a run has that was given no hosts: this one, with room for as many ranks as a case has."""
        return Hosts((Host(os.uname().nodename, UNLIMITED, here=True),))

    @property
    def slots(self) -> int:
        """Room for so many ranks."""
        return sum(host.slots for host in self.every)


def load_hosts(given: str) -> tuple[Host, ...]:
    """What `--hosts` says: the name of a file, or a list like `a:4,b:4`. Raises ScenarioError with every mistake."""
    if _is_file(given):
        hosts = parse_file(read_text(Path(given), "replace"), given)
    elif "/" in given or not (":" in given or "," in given):
        raise ScenarioError(f"--hosts {given}: no such file; hosts themselves are given as name:slots,name:slots")
    else:
        hosts = parse_list(given)
    _check_aliases(hosts, given)
    return tuple(replace(host, here=is_this_host(host.name)) for host in hosts)


def _is_file(given: str) -> bool:
    """Also a pipe, as a shell makes it of `<(command)`, and what is refused when it is read."""
    try:
        return Path(given).exists() and not Path(given).is_dir()
    except (OSError, ValueError):  # a list that is longer than a name can be
        return False


def _check_aliases(hosts: Iterable[Host], given: str) -> None:
    """Every node is a host of its own. Names that only ssh knows are compared by the watchdog, when ranks report."""
    names: dict[str, str] = {}
    for host in hosts:
        address = resolve(host.name)
        if address is None:
            continue
        other = names.setdefault(address, host.name)
        if other != host.name:
            raise ScenarioError(f"--hosts {given}: {other} and {host.name} are one host ({address}); use one of its names")


def parse_file(text: str, file: str) -> tuple[Host, ...]:
    """A host file: a line for each host; `#` begins a comment. Raises FileErrors."""
    lines = enumerate(text.splitlines(), start=1)
    return _hosts(((number, 1, line.partition("#")[0]) for number, line in lines), file)


def parse_list(text: str) -> tuple[Host, ...]:
    """Hosts with commas between them. Raises FileErrors."""
    return _hosts(_items(text), INLINE)


def _items(text: str) -> Iterator[tuple[int, int, str]]:
    column = 1
    for item in text.split(","):
        yield 1, column, item or " "
        column += len(item) + 1


def _hosts(entries: Iterable[tuple[int, int, str]], file: str) -> tuple[Host, ...]:
    """Entries as line, column, text. The slots of a name that comes again are added to those that it has."""
    slots: dict[str, int] = {}
    problems: list[Problem] = []
    for line, column, text in entries:
        words = [(column + found.start(), found.group()) for found in WORD.finditer(text)]
        if not words and file == INLINE:
            problems.append(Problem(file, line, column, "", "a host is missing between commas", FORM))
        for at, what, advice in _entry_problems(words):
            problems.append(Problem(file, line, at, "", what, advice))
        if words and not problems:
            name, _, count = words[0][1].partition(":")
            count = count or (words[1][1].partition("=")[2] if len(words) > 1 else "1")
            slots[name] = slots.get(name, 0) + int(count)
    if not slots and not problems:
        problems.append(Problem(file, 1, 1, "", "names no host", FORM))
    if problems:
        raise FileErrors(problems)
    return tuple(Host(name, count) for name, count in slots.items())


def _entry_problems(words: list[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """What is wrong with the words of one entry, each with its column: column, what, advice."""
    if not words:
        return
    column, first = words[0]
    name, colon, count = first.partition(":")
    if "@" in name:
        yield column, f"{first}: a user is not given here", "name the user for this host in ~/.ssh/config"
    elif ":" in count:
        yield column, f"{first}: neither a name nor an IPv4 address", f"{FORM}; {VERSION_6}"
    elif not NAME.fullmatch(name):
        yield column, f"{name!r} is no name of a host", FORM
    elif colon and not _count(count):
        yield column + len(name) + 1, f"{count!r} is no number of slots", "give 1 or more"
    for number, (at, word) in enumerate(words[1:]):
        key, equals, value = word.partition("=")
        if key != "slots" or not equals:
            yield at, f"unknown word {word!r}", FORM
        elif not _count(value):
            yield at + len(key) + 1, f"{value!r} is no number of slots", "give 1 or more"
        elif colon or number:
            yield at, "slots are given twice", "leave one out"


def _count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:12]) >= 1 and len(text) <= 9
