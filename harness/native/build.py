"""Builds the native recorder with whatever C compiler there is, and keeps it by what it was made from."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lockstep.harness.native import generate

HERE = Path(__file__).parent
SOURCES = ("ring.c", "library.c", "imports.c", "sites.c", "signals.c", "errors.c", "data.c", "rules.c", "wrappers.c")
FLAGS = (
    "-std=gnu11",
    "-O2",
    "-g1",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-ftls-model=initial-exec",
    "-Wl,-z,nodelete",
)
SMALL = ("-DWITHOUT_LARGE_COUNTS",)
LIBRARIES = ("-ldl", "-lpthread")
BUILD_S = 300


class Built(NamedTuple):
    """The recorder, or why there is none."""

    library: Path | None
    said: str


def cached(large: bool = True) -> Built:
    """As it was built before; nothing is built."""
    place = _place(large)
    return Built(place, f"built: {place}") if place.exists() else Built(None, "not built")


def build(large: bool = True) -> Built:
    """The recorder, built now where it was not before.

    Without `large` it has no functions with large counts: a program (mpi4py) calls those if it finds them, and an MPI that
    has none (Open MPI 5.0) would fail. Where MPI has them after all, its ranks are opaque.
    """
    found = cached(large)
    if found.library is not None:
        return found
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return Built(None, f"not for {platform.machine()} under {sys.platform}")
    said = ["no C compiler: install one, or pip install ziglang"]
    for compiler in _compilers():
        place = _place(large)
        error = _try(compiler, place, () if large else SMALL)
        if not error:
            return Built(place, f"built with {' '.join(compiler)}: {place}")
        said.append(f"{' '.join(compiler)}: {error}")
    return Built(None, said[-1])


def compile_into(compiler: list[str], target: Path, flags: tuple[str, ...] = ()) -> str:
    """Compile; what the compiler said against it, empty: nothing."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        generate.write(place)
        for path in (*HERE.glob("*.c"), *HERE.glob("*.h"), *HERE.glob("*.inc")):
            shutil.copy(path, place)
        words = [*compiler, *FLAGS, *flags, "-o", str(target), *SOURCES, *LIBRARIES]
        try:
            done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=BUILD_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return "" if done.returncode == 0 else (done.stderr.strip() or f"ended with {done.returncode}")


def _try(compiler: list[str], target: Path, flags: tuple[str, ...]) -> str:
    """Compile beside the target and move it there, so that nobody sees half of it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        error = compile_into(compiler, fresh, flags)
        if not error:
            fresh.replace(target)
        fresh.unlink(missing_ok=True)
    except OSError as failure:
        return str(failure)
    return error


def _compilers() -> Iterator[list[str]]:
    """Those of the system, then one from the package index."""
    if os.environ.get("CC"):
        yield os.environ["CC"].split()
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            yield [path]
    if importlib.util.find_spec("ziglang") is not None:
        yield [sys.executable, "-m", "ziglang", "cc"]


def _place(large: bool) -> Path:
    """Where it lies: by a hash of all that it is made from."""
    digest = hashlib.sha256(platform.machine().encode() + repr((FLAGS, SOURCES, large)).encode())
    for path in sorted((*HERE.glob("*.c"), *HERE.glob("*.h"), *HERE.glob("*.inc"))):
        digest.update(path.read_bytes())
    for text in generate.sources().values():
        digest.update(text.encode())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "lockstep" / f"liblockstep-{digest.hexdigest()[:16]}.so"
