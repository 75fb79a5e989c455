"""`--versions`: which releases are meant, oldest first. A span of an index, a list of requirements, wheels, or images. Pure.

engine==0.20..0.25          every release of that name between the two, both included
torch==2.7.1,torch==2.8.0   these, in this order
dist/a-1.0-py3-none-any.whl,dist/a-1.1-py3-none-any.whl
docker://example/engine:v0.20,docker://example/engine:v0.21
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.repository import Commit, Range

SPAN = re.compile(r"([A-Za-z0-9][\w.-]*?)(\[[\w,.-]*\])?==([^,=\s]+?)\.\.([^,=\s]+)")
PINNED = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,.-]*\])?==[^,=\s]+")
IMAGE = "docker://"
PRE = re.compile(r"\d(a|b|rc|\.dev|alpha|beta|pre)\d*", re.IGNORECASE)
FORMS = (
    "give NAME==OLD..NEW, or two or more of NAME==VERSION, FILE.whl or docker://IMAGE:TAG, oldest first, with commas between"
)


@dataclass(frozen=True, slots=True)
class Span:
    """All releases of one name between two."""

    name: str  # with extras
    older: str
    newer: str

    @property
    def pre(self) -> bool:
        """Whether releases before a final one are meant too."""
        return bool(PRE.search(self.older) or PRE.search(self.newer))

    def of(self, versions: Sequence[str]) -> list[tuple[str, str]]:
        """Those of `versions` (oldest first) that are meant. Raises BisectionError for an end that is not there."""
        first, last = (self._place(versions, end) for end in (self.older, self.newer))
        if first >= last:
            raise BisectionError(
                f"--versions {self.name}: {self.older} does not come before {self.newer}; give the older one first"
            )
        return [(version, f"{self.name}=={version}") for version in versions[first : last + 1]]

    def _place(self, versions: Sequence[str], end: str) -> int:
        for number, version in enumerate(versions):
            if plain(version) == plain(end):
                return number
        near = [version for version in versions if version.startswith(end.rpartition(".")[0])] or list(versions)
        raise BisectionError(
            f"--versions: {self.name} {end} is no release for this Python; there are {', '.join(near[-8:])}; "
            "--python names another interpreter"
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """Releases as they were given: name and requirement of each. `noun`: release or image."""

    items: tuple[tuple[str, str], ...]
    noun: str = "release"


def wanted(text: str) -> Span | Listed:
    """What `--versions` means. Raises BisectionError."""
    if (span := SPAN.fullmatch(text.strip())) is not None:
        name, extras, older, newer = span.groups()
        return Span(f"{name}{extras or ''}", older, newer)
    words = _words(text)
    if len(words) < 2:
        raise BisectionError(f"--versions {text}: {FORMS}")
    if all(word.startswith(IMAGE) for word in words):
        return Listed(_named([(word.removeprefix(IMAGE), word.removeprefix(IMAGE)) for word in words]), "image")
    items: list[tuple[str, str]] = []
    for word in words:
        if word.endswith(".whl"):
            items.append(("-".join(PurePath(word).name.split("-")[:2]), word))
        elif PINNED.fullmatch(word):
            items.append((word.partition("==")[2], word))
        else:
            raise BisectionError(f"--versions {word}: {FORMS}")
    _check_one_package(text, [word for _, word in items])
    return Listed(_named(items))


def range_of(releases: Sequence[tuple[str, str]], noun: str) -> Range:
    """Releases as a history: each comes after the one before it."""
    names = [name for name, _ in releases]
    commits = tuple(Commit(name, (number - 1,) if number else (), "") for number, name in enumerate(names[1:]))
    return Range(names[0], commits, noun)


def plain(version: str) -> str:
    """A version without what makes no difference: `v1.2.0` is `1.2`."""
    public, plus, local = version.lower().removeprefix("v").partition("+")
    match = re.match(r"[\d.]*\d", public)
    release = match[0] if match else ""
    return re.sub(r"(\.0)+$", "", release) + public[len(release) :] + plus + local


def _check_one_package(text: str, requirements: Sequence[str]) -> None:
    """Raise BisectionError where these are of several: what differs between two packages is no first bad release."""
    found = dict.fromkeys(map(package, requirements))
    if len(found) > 1:
        raise BisectionError(f"--versions {text}: these are releases of {' and '.join(found)}; give those of one package")


def package(requirement: str) -> str:
    """The name of a package in a requirement or a wheel's file name, as indexes spell it."""
    name = PurePath(requirement).name.partition("-")[0] if requirement.endswith(".whl") else requirement.partition("==")[0]
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def _words(text: str) -> list[str]:
    """Split at commas, but for those of extras."""
    return [word.strip() for word in re.split(r",(?![^\[]*\])", text) if word.strip()]


def _named(items: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Where two have one name, all are called by their requirement; one that is given twice is a mistake."""
    if len({name for name, _ in items}) < len(items):
        items = [(PurePath(requirement).name, requirement) for _, requirement in items]
    twice = [name for number, (name, _) in enumerate(items) if name in {other for other, _ in items[:number]}]
    if twice:
        raise BisectionError(f"--versions: {twice[0]} is given twice; take one out")
    return tuple(items)
