"""Releases as what is launched: each in a Python environment of its own, installed once and kept for later bisections.

An environment counts when its mark is written, which is the last thing that is done. One without a mark is a half of one: it
is removed by who was interrupted, or by the next who wants it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lockstep.harness.bisect.build import Built, run_build
from lockstep.harness.bisect.checkouts import Checkout
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.package_index import PIP
from lockstep.harness.bisect.state import BisectionRequest, Kept
from lockstep.harness.report.names import slug
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.engine_base import Runtime
from lockstep.harness.shell import command_line

MARK = "lockstep.json"
WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Install(Kept):
    """How releases are installed. `beside`: requirements that come with each of them; `options`: of pip."""

    folder: str  # where a relative path of the case begins
    cache: str
    python: str = sys.executable
    beside: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class Environments:
    """All releases of one bisection."""

    asked: BisectionRequest
    install: Install
    prepares: bool = True
    _numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = {name: number for number, (name, _) in enumerate(self.asked.releases, 1)}

    def has(self, ident: str) -> bool:
        """Whether it is installed."""
        return (self.path(ident) / MARK).is_file()

    @contextmanager
    def use(self, ident: str) -> Iterator[Checkout]:
        """Its environment, which is made by `prepare`; environments stay."""
        yield Checkout(self._numbers[ident], self.path(ident))

    def path(self, ident: str) -> Path:
        """Its folder: another one for whatever is installed in another way."""
        install = self.install
        how = [self._requirement(ident), install.beside, install.options, install.python, _stamp(self._requirement(ident))]
        digest = hashlib.sha256(json.dumps(how).encode()).hexdigest()[:10]
        return Path(install.cache) / f"{slug(_name(self._requirement(ident)))}-{slug(ident)}-{digest}"

    def prepare(self, ident: str, checkout: Checkout, log: Path, stopped: Callable[[], bool]) -> Built:
        """Install it, unless that was done; one that was yanked is not launched."""
        checkout.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(checkout.path, stopped):
            if self.has(ident):
                return Built(True, "")
            _remove(checkout.path)
            try:
                built = self._install(ident, checkout.path, log, stopped)
                if built.ok:
                    (checkout.path / MARK).write_text(json.dumps({"requirement": self._requirement(ident)}))
            finally:
                if not self.has(ident):
                    _remove(checkout.path)
            return built

    def case(self, case: Case, checkout: Checkout) -> Case:
        """The engine says how it runs in an environment."""
        runtime = Runtime(self.install.folder, str(checkout.path))
        return replace(case, spec=find_engine(case.engine).inside(case.spec, runtime))

    def rerun(self, case: Case, ident: str, wanted: str) -> str:
        """Run the case as it stands, with the environment in it."""
        words = ["lockstep", "run", case.path, "--case", case.id]
        words += [word for value in self.asked.values for word in ("--set", value)]
        return command_line([*words, "--set", f"config={json.dumps(case.spec['config'])}"])

    def details(self, ident: str) -> tuple[str, ...]:
        """In what the environment differs from that of the release before it, where both are installed."""
        names = [name for name, _ in self.asked.releases]
        before = names[names.index(ident) - 1]
        rows = [f"release {ident}", f"Requirement: {self._requirement(ident)}", f"Environment: {self.path(ident)}"]
        if self.has(before) and self.has(ident):
            old, new = _packages(self.path(before)), _packages(self.path(ident))
            changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
            rows += ["", f"What differs from {before}:"]
            rows += [f"    {name} {old.get(name, '(none)')} -> {new.get(name, '(none)')}" for name in changed]
        return (*rows, "", f"{self.path(ident)}/bin/python")

    def _requirement(self, ident: str) -> str:
        return dict(self.asked.releases)[ident]

    def _install(self, ident: str, path: Path, log: Path, stopped: Callable[[], bool]) -> Built:
        install = self.install
        wanted = [self._requirement(ident), *install.beside]
        make = command_line([install.python, "-m", "venv", "--without-pip", str(path)])
        fill = command_line([*PIP, "--python", str(path / "bin" / "python"), "install", *install.options, *wanted])
        built = run_build(f"{make} && {fill}", Path(install.folder), ident, log, stopped)
        text = log.read_text(errors="replace")
        if built.ok and "is a yanked version" in text and _name(wanted[0]) in _yanked(text):
            return Built(False, "this release was yanked")
        if built.ok:
            return built
        errors = [line for line in text.splitlines() if line.startswith(("ERROR:", "error:"))]
        return Built(
            False, f"it cannot be installed: {(errors or text.strip().splitlines() or ['no output'])[0]} (see {log})"
        )


def _packages(path: Path) -> dict[str, str]:
    """Name and version of what is installed in an environment, by the names of its folders."""
    found: dict[str, str] = {}
    for info in path.glob("lib/python*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        found[name.lower()] = version
    return found


def _yanked(text: str) -> set[str]:
    return {line.split("'")[1].lower() for line in text.splitlines() if "is a yanked version: '" in line}


def _name(requirement: str) -> str:
    return requirement.partition("==")[0].partition("[")[0].lower()


def _stamp(requirement: str) -> float:
    """A wheel that was built again is another one."""
    with contextlib.suppress(OSError):
        if requirement.endswith(".whl"):
            return os.stat(requirement).st_mtime  # noqa: PTH116
    return 0.0


@contextmanager
def _alone(path: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Only one process installs into a folder; others wait for it. Raises KeyboardInterrupt when that is stopped."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stopped():
                    raise KeyboardInterrupt from None
                time.sleep(WAIT_S)
        yield


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)


def _why(error: Exception) -> str:
    """In few words: not with the command line that it is about."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"its exit code is {error.returncode}"
    return str(getattr(error, "strerror", None) or error)


def check_python(python: str) -> None:
    """Raise BisectionError for an interpreter that is none, or whose processes cannot be watched."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        version = tuple(map(int, done.stdout.split()))
        if len(version) != 2:
            raise ValueError("it does not tell its version")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = _why(error)
        raise BisectionError(f"--python {python}: no Python interpreter: {why}; give the path of one") from error
    if version < (3, 10):
        raise BisectionError(
            f"--python {python}: it is Python {version[0]}.{version[1]}; processes are watched from 3.10 on"
        )
