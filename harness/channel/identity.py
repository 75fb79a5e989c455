"""Who one is: the host, clock, code and versions that a supervisor names at its hello, and that the watchdog compares.

Standard library only, and cheap: every supervisor does it, once its engine has been started.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
ROOMS = ("harness", "engines")
LIBRARIES = ("torch", "mpi4py")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME = Path("/proc/self/ns/time")  # a namespace may have a monotonic clock of its own


class Identity(TypedDict):
    """What tells one process of Lockstep from others."""

    host: str
    machine: str  # tells its host from others
    clock: str  # tells its clock from others
    versions: dict[str, str]
    code: str
    root: str


class Clocks(TypedDict):
    """Both clocks of a process, read at one moment."""

    monotonic_ns: int
    wall_ns: int


def identity() -> Identity:
    """Host, machine, clock, code and versions of this process."""
    return {
        "host": os.uname().nodename,
        "machine": machine(),
        "clock": f"{machine()} {TIME.readlink() if TIME.is_symlink() else ''}",
        "versions": versions(),
        "code": code(),
        "root": str(ROOT),
    }


def clocks() -> Clocks:
    """Both clocks of this process, in ns, read at one moment."""
    return {"monotonic_ns": time.monotonic_ns(), "wall_ns": time.time_ns()}


def machine() -> str:
    """What tells this host from others, whatever names it has: hosts that were copied may share their name."""
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    return f"{os.uname().nodename} {boot}"


def versions() -> dict[str, str]:
    """Of Python, and of the libraries that ranks import: by the names of their folders, since importing them is slow."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: _installed(name) for name in LIBRARIES}}


def code() -> str:
    """A fingerprint of this program's source, the same for the same files wherever they are."""
    import hashlib  # slow, and not needed before the engine's start

    digest = hashlib.blake2b(digest_size=8)
    for room in ROOMS:
        for path in _sources(str(ROOT / room)):
            digest.update(path.removeprefix(str(ROOT)).encode())
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123
                digest.update(file.read())
    return digest.hexdigest()


def _sources(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.endswith(".py"):
            yield entry.path
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _sources(entry.path)


def _installed(name: str) -> str:
    """The version of a distribution on this interpreter's path; empty when it is not there."""
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208
        except OSError:
            continue
        for found in names:
            if found.startswith(f"{name}-") and found.endswith(".dist-info"):
                return found.removeprefix(f"{name}-").removesuffix(".dist-info")
    return ""
