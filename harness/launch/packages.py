"""Whether Lockstep itself is whole here: the packages that it needs, in tested versions, its engines, its pytest plugin."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lockstep import harness
from lockstep.harness.launch.check import NOT_INSTALLED, Check
from lockstep.harness.shell import command_line

DISTRIBUTION = "lockstep"
OURS = "lockstep.engines."
BUILDS = ("setuptools",)  # installs Lockstep, and is not needed afterwards
PIP = (sys.executable, "-m", "pip", "install")
TRIED = ("torch", "mpi4py")  # are loaded for real, and may be the machine's own
LINE = re.compile(r'([A-Za-z0-9._-]+)(?:==([^\s;#]+))?[^;#]*(?:;\s*python_version\s*(<|>=)\s*"(\d+)\.(\d+)")?')


def whole() -> list[Check]:
    """A line for what is wrong with each package, or one for all; one for the engines, and for the plugin."""
    root = Path(harness.__file__).resolve().parents[1]
    pinned = root / "requirements" / "base.txt"  # a checkout has it; whoever installs a wheel chooses versions
    checkout = pinned.is_file()
    lines = pinned.read_text("utf-8").splitlines() if checkout else importlib.metadata.requires(DISTRIBUTION) or []
    wanted = {name: pin for name, pin in wanted_of(lines).items() if name not in (*BUILDS, *TRIED)}
    wrong = list(_wrong(wanted, pinned if checkout else None))
    well = Check("packages", True, f"{len(wanted)}{', as they are pinned' if checkout else ''}")
    installed = command_line([*PIP, "--no-deps", *(("-e", root) if checkout else ("--force-reinstall", DISTRIBUTION))])
    return [*(wrong or [well]), _engines(installed), _plugin(installed)]


def wanted_of(lines: Sequence[str], python: tuple[int, int] = sys.version_info[:2]) -> Mapping[str, str]:
    """Names and pinned versions (empty: any) in requirements, of those that are meant for this Python."""
    found: dict[str, str] = {}
    for line in lines:
        match = LINE.match(line.strip())
        if match is None or "extra ==" in line:
            continue
        name, pin, sign, *version = match.groups()
        limit = tuple(map(int, version)) if sign else ()
        if not sign or (python < limit if sign == "<" else python >= limit):
            found[name] = pin or ""
    return found


def _wrong(wanted: Mapping[str, str], pinned: Path | None) -> Iterator[Check]:
    for name, pin in wanted.items():
        advice = f"make env, or {command_line([*PIP, '-r', pinned])}" if pinned else command_line([*PIP, name])
        try:
            there = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, False, "not installed", advice)
            continue
        if pin and there != pin:
            yield Check(name, False, f"{there}, and Lockstep is tested with {pin}", advice)


def _engines(installed: str) -> Check:
    there = {point.name: point.value for point in importlib.metadata.entry_points(group="lockstep.engines")}
    ours = any(value.startswith(OURS) for value in there.values())
    return Check("engines", ours, ", ".join(sorted(there)) if ours else "Lockstep's own are not installed", installed)


def _plugin(installed: str) -> Check:
    """A machine without it is well: only tests that are marked for Lockstep need it."""
    there = any(
        point.value == "lockstep.harness.pytest_plugin" for point in importlib.metadata.entry_points(group="pytest11")
    )
    return Check("pytest plugin", True, "installed" if there else f"{NOT_INSTALLED}; to have it: {installed}")
