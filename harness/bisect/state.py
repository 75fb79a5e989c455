"""A bisection on disk: what was asked for, and a journal that only grows.

The journal says what was launched and which commits were skipped; what a launch showed is in its verdict file alone. So
a bisection that was killed at any moment goes on where it stood, and repeats no launch that was judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from lockstep.harness import regular_file
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.report import files, names
from lockstep.harness.report.schema import VerdictFile, read_verdict
from lockstep.harness.scenario.case import Case

K = TypeVar("K", bound="Kept")
SCHEMA = "lockstep.bisection/1"
ROOT = Path("reports/bisections")
ASKED, JOURNAL = "bisection.json", "journal.jsonl"


@dataclass(frozen=True, slots=True)
class BisectionRequest:
    """What a bisection is about; it stays the same when it goes on."""

    repository: str  # absolute
    good: str  # ids of commits
    bad: str
    find: str  # bad or fixed
    case: dict[str, Any]
    values: tuple[str, ...] = ()  # of --set
    signature: str = ""  # as given; empty: the bad end's
    build: str = ""
    tree: str = "."  # where in the repository the engine is
    launcher: str = "auto"
    hosts: str | None = None  # of --hosts; a file by its absolute path
    interface: str | None = None
    releases: tuple[tuple[str, str], ...] = ()  # name and requirement of each, the oldest first; none: commits
    install: dict[str, Any] = field(default_factory=dict)  # how: environments.Install, or images.Container


class Kept:
    """How versions are had, a frozen dataclass of words, as plain data in a bisection's state."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls: type[K], raw: Mapping[str, Any]) -> K:
        """Back from plain data."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})


@dataclass(frozen=True, slots=True)
class Launched:
    """One launch: of which commit, and its folder, relative to the bisection's."""

    number: int
    sha: str
    folder: str


@dataclass(slots=True)
class State:
    """The folder of one bisection."""

    path: Path
    asked: BisectionRequest
    launched: list[Launched] = field(default_factory=list)
    skips: dict[str, str] = field(default_factory=dict)
    build_seconds: list[float] = field(default_factory=list)
    wanted: str = ""  # the signature that is bad, once the bad end has shown it
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def create(cls, path: Path | None, asked: BisectionRequest, argv: list[str], environment: Mapping[str, Any]) -> State:
        """Start a bisection in a folder that has none; without a folder, in a new one. Raises BisectionError."""
        folder = names.new_folder(ROOT) if path is None else path
        if (folder / ASKED).exists():
            raise BisectionError(f"{folder}: there is a bisection already; --resume goes on with it")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "builds").mkdir(exist_ok=True)
        raw = {"schema": SCHEMA, **{name: getattr(asked, name) for name in BisectionRequest.__dataclass_fields__}}
        raw |= {"argv": argv, "started": names.now(), "environment": dict(environment)}
        files.replace_json(folder / ASKED, raw)
        if path is None:
            names.point(ROOT / "latest", folder.name)
        return cls(folder.resolve(), asked)

    @classmethod
    def open(cls, path: Path | None) -> State:
        """Read a bisection back; without a folder the one that was started last. Raises BisectionError."""
        folder = (ROOT / "latest" if path is None else path).resolve()
        try:
            raw = files.read_object(folder / ASKED)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{folder / ASKED}:").strip()
            what = f"{folder / ASKED}: there is no bisection to go on with ({why})"
            raise BisectionError(f"{what}; give --state with the folder of one") from error
        if raw.get("schema") != SCHEMA:
            raise BisectionError(f"{folder / ASKED}: schema is not {SCHEMA!r}, which this lockstep reads")
        known = {name: raw[name] for name in BisectionRequest.__dataclass_fields__ if name in raw}
        releases = tuple((name, requirement) for name, requirement in raw.get("releases", ()))
        asked = BisectionRequest(**known | {"values": tuple(raw["values"]), "releases": releases})
        state = cls(folder, asked)
        for line in files.read_lines(folder / JOURNAL):
            state._take(line)
        return state

    @property
    def case(self) -> Case:
        """The case that is launched."""
        return Case.from_json(self.asked.case)

    def begin(self, sha: str) -> Launched:
        """Note that a commit is about to be launched."""
        with self._lock:
            number = len(self.launched) + 1
            folder = f"launches/{number:04}-{names.slug(sha if self.asked.releases else sha[:12])}"
            while (self.path / folder).exists():  # killed between the folder and the line
                folder += "-again"
            self._write({"kind": "launch", "number": number, "commit": sha, "folder": folder})
            return self.launched[-1]

    def judged(self, launched: Launched, words: str, judgement: str) -> None:
        """Note what a launch showed, for people; the verdict file is what counts."""
        with self._lock:
            self._write({"kind": "judged", "number": launched.number, "judgement": judgement, "words": words})

    def want(self, signature: str) -> None:
        """Note which signature is bad."""
        with self._lock:
            self._write({"kind": "wanted", "signature": signature})

    def skip(self, sha: str, why: str) -> None:
        """Note that a commit has nothing to launch."""
        with self._lock:
            self._write({"kind": "skip", "commit": sha, "why": why})

    def built(self, sha: str, seconds: float) -> None:
        """Note that a commit was built."""
        with self._lock:
            self._write({"kind": "built", "commit": sha, "seconds": seconds})

    def verdicts(self) -> Iterator[tuple[Launched, VerdictFile]]:
        """The launches that have a verdict, in their order."""
        for launched in self.launched:
            found = self.verdict(launched)
            if found is not None:
                yield launched, found

    def verdict(self, launched: Launched) -> VerdictFile | None:
        """The verdict of a launch, read from its file; None when there is none, or one that cannot be read."""
        try:
            found = read_verdict(regular_file.read(self.path / self.verdict_path(launched)))
        except (OSError, ValueError):
            return None
        return found if found.case == self.asked.case["id"] else None

    def verdict_path(self, launched: Launched) -> str:
        """Its file, relative to the bisection's folder."""
        return f"{launched.folder}/cases/{names.slug(self.asked.case['id'])}/verdict.json"

    def _write(self, line: dict[str, Any]) -> None:
        path = self.path / JOURNAL
        if files.torn(path):  # killed within a line: what is torn never was
            files.replace(path, "".join(json.dumps(whole) + "\n" for whole in files.read_lines(path)))
        files.append_line(path, {"at": names.now(), **line})
        self._take(line)

    def _take(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "launch":
            self.launched.append(Launched(line["number"], line["commit"], line["folder"]))
        elif line["kind"] == "skip":
            self.skips[line["commit"]] = line["why"]
        elif line["kind"] == "wanted":
            self.wanted = line["signature"]
        elif line["kind"] == "built":
            self.build_seconds.append(line["seconds"])
