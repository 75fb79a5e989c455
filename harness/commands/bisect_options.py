"""What `lockstep bisect` is told: commits of a repository, or releases; which case; how sure to be."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.bisect.environments import Install, check_python
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.images import Container, container_tool
from lockstep.harness.bisect.package_index import versions
from lockstep.harness.bisect.releases import FORMS, Span, wanted
from lockstep.harness.bisect.state import ROOT
from lockstep.harness.bisect.statistics.judgement import SIGNATURE
from lockstep.harness.bisect.statistics.search import Options
from lockstep.harness.commands.hosts import HostOptions, add_fresh, add_hosts, add_launcher
from lockstep.harness.commands.selection import Selection, add_selection
from lockstep.harness.placement.pool import jobs_of

OF_COMMITS = ("repo", "good", "bad", "build")
OF_RELEASES = ("pip", "beside", "python", "environments")
GIVEN = {
    "versions": FORMS.removeprefix("give "),
    "good": "a commit that does not hang",
    "bad": "a commit that hangs",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    add_selection(parser, nargs="*")
    parser.add_argument("--repo", type=Path, metavar="DIR", help="the engine's git repository")
    parser.add_argument("--good", metavar="REV", help="a commit that does not hang")
    parser.add_argument("--bad", metavar="REV", help="a commit that hangs")
    parser.add_argument(
        "--versions",
        metavar="SPEC",
        help="releases instead: NAME==OLD..NEW; or NAME==VERSION, FILE.whl, docker://IMAGE:TAG, with commas between",
    )
    parser.add_argument("--find", choices=("bad", "fixed"), default="bad", help="fixed: the older end is bad")
    parser.add_argument("--signature", default="", metavar="HEX", help="what is bad (default: what the bad end shows)")
    parser.add_argument("--build", default="", metavar="CMD", help="run by sh in each checkout; where it fails is skipped")
    parser.add_argument("--tree", default=".", metavar="DIR", help="where in the repository the engine is")
    parser.add_argument(
        "--with", dest="beside", action="append", default=[], metavar="REQ", help="installed beside each release"
    )
    parser.add_argument("--pip", default="", metavar="OPTIONS", help="of pip install, such as '--find-links wheels'")
    parser.add_argument("--python", default="", metavar="PATH", help="the interpreter of the releases (default: this one)")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="where environments are kept (a cache folder)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="launches of each end; above 1 for a flaky hang")
    parser.add_argument("--confidence", type=float, default=0.95, metavar="P", help="how probable the result must be (0.95)")
    parser.add_argument("--most", type=int, metavar="N", help="stop after so many launches")
    parser.add_argument("--jobs", default="1", metavar="N", help="launches at once, or auto: as many as there are cores for")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    add_launcher(parser)
    add_fresh(parser)
    add_hosts(parser)
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"where this bisection is kept (default: in {ROOT})")
    parser.add_argument("--resume", action="store_true", help="go on with the bisection in --state, or the latest one")
    parser.add_argument("--json", action="store_true", help="print the report as JSON on stdout")


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """Which releases, and how they come here."""

    versions: str
    beside: tuple[str, ...]
    pip: tuple[str, ...]
    python: str
    environments: Path

    def releases(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Name and requirement of each, the oldest first, and what they are. Raises BisectionError."""
        found = wanted(self.versions)
        if isinstance(found, Span):
            check_python(self.python)  # else pip complains, of whose options nothing is wrong
            return tuple(found.of(versions(found.name, self.python, self.pip, found.pre))), "release"
        lost = [word for _, word in found.items if word.endswith(".whl") and "://" not in word and not Path(word).is_file()]
        if lost:
            raise BisectionError(f"--versions {lost[0]}: there is no such wheel in {Path.cwd()}; give the path of one")
        items = [(name, _file(requirement)) for name, requirement in found.items]
        return tuple(items), found.noun

    def install(self, noun: str) -> dict[str, object]:
        """How they are made ready, as the bisection's folder keeps it. Raises BisectionError for what is not there."""
        folder = str(Path.cwd())
        if noun == "image":
            return Container(folder, container_tool(), self.pip).to_json()
        check_python(self.python)
        return Install(folder, str(self.environments), self.python, self.beside, self.pip).to_json()


@dataclass(frozen=True, slots=True)
class BisectOptions:
    """What `lockstep bisect` was told. `jobs`: launches at once; None: as many as there are cores for."""

    selection: Selection
    hosts: HostOptions
    repository: Path
    good: str
    bad: str
    find: str
    signature: str
    build: str
    tree: str
    device: str
    jobs: int | None
    search: Options
    state: Path | None
    resume: bool
    json: bool
    releases: ReleaseOptions | None
    fresh: bool

    @staticmethod
    def of(arguments: argparse.Namespace) -> BisectOptions:
        """As the command line says. Raises BisectionError for what makes no sense."""
        try:
            jobs = jobs_of(arguments.jobs)
            search = Options(arguments.confidence, arguments.repeat, 1, arguments.most)
        except ValueError as error:
            raise BisectionError(str(error)) from error
        if arguments.resume:
            _check_nothing_is_given(arguments)
        else:
            _check_request(arguments)
        return BisectOptions(
            Selection.of(arguments),
            HostOptions.of(arguments),
            arguments.repo or Path(),
            arguments.good or "",
            arguments.bad or "",
            arguments.find,
            arguments.signature,
            arguments.build,
            arguments.tree,
            arguments.device,
            jobs,
            search,
            arguments.state,
            arguments.resume,
            arguments.json,
            _releases(arguments) if arguments.versions is not None else None,
            arguments.fresh,
        )


def _releases(arguments: argparse.Namespace) -> ReleaseOptions:
    try:
        options = tuple(_file(word) for word in shlex.split(arguments.pip))
    except ValueError as error:
        raise BisectionError(f"--pip {arguments.pip}: {error}; quote as for a shell") from error
    folder = arguments.environments or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lockstep"
    return ReleaseOptions(
        arguments.versions, tuple(arguments.beside), options, arguments.python or sys.executable, Path(folder).absolute()
    )


def _file(word: str) -> str:
    """A path that is there, as it is from any folder: pip runs in another one."""
    return str(Path(word).absolute()) if not word.startswith("-") and "://" not in word and Path(word).exists() else word


def _check_nothing_is_given(arguments: argparse.Namespace) -> None:
    """Of what a bisection that goes on knows already."""
    names = (*OF_COMMITS, *OF_RELEASES, "versions", "signature", "words", "tag", "case", "values")
    given = [_option(name) for name in names if getattr(arguments, name)] + ["SCENARIO"] * bool(arguments.scenarios)
    if given:
        raise BisectionError(f"--resume goes on with what was asked for before: leave out {', '.join(given)}")


def _check_request(arguments: argparse.Namespace) -> None:
    """As far as that goes without the repository."""
    of_releases = arguments.versions is not None  # an empty one is a mistake in it, not a wish for commits
    needed = ("versions",) if of_releases else ("repo", "good", "bad")
    missing = [name for name in needed if getattr(arguments, name) is None]
    if empty := [name for name in needed if getattr(arguments, name) == ""]:
        raise BisectionError(f"{_option(empty[0])} '': give {GIVEN[empty[0]]}")
    if missing or not arguments.scenarios:
        names = [_option(name) for name in missing] + ([] if arguments.scenarios else ["SCENARIO"])
        other = ", or --versions" if len(missing) == len(needed) else ""
        raise BisectionError(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing{other} (or --resume)")
    others = OF_COMMITS if of_releases else OF_RELEASES
    if given := [_option(name) for name in others if getattr(arguments, name)]:
        kind = "releases are installed, not checked out" if of_releases else "of releases only, with --versions"
        raise BisectionError(f"{', '.join(given)}: {kind}; leave out one or the other")
    if Path(arguments.tree).is_absolute() or ".." in Path(arguments.tree).parts:
        raise BisectionError(f"--tree {arguments.tree}: give a folder in the repository, relative to its root")
    if arguments.signature and not re.fullmatch(SIGNATURE, arguments.signature):
        raise BisectionError(f"--signature {arguments.signature}: give the 12 hex digits of a verdict's signature")


def _option(name: str) -> str:
    return {"beside": "--with", "words": "-k", "values": "--set"}.get(name, f"--{name}")
