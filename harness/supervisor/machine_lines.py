"""Lines of compiled programs: what the native recorder knows as a place in a file, looked up in its debug information."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

MARK = "\x02"  # the recorder's texts that are places begin so: file, address, offset in the file as it is mapped, function
LOOK_UP_S = 5.0


def readable(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Strings of a ring, with `file:line in function` in place of addresses."""
    return tuple(_place(text) if text.startswith(MARK) else text for text in texts)


def _place(text: str) -> str:
    try:
        _, path, address, offset, function = text.split(MARK)
        return _known(path, int(address, 16), int(offset, 16), function)
    except ValueError:
        return text.replace(MARK, " ").strip()


@functools.lru_cache(maxsize=1 << 12)
def _known(path: str, address: int, offset: int, function: str) -> str:
    at = offset if _moves(path) else address
    found = _asked(path, at)
    if found:
        return found
    name = Path(path).name
    return f"{name}+{at:#x} in {function}" if function else f"{name}+{at:#x}"


@functools.lru_cache(maxsize=256)
def _moves(path: str) -> bool:
    """Whether a file may be mapped anywhere: its addresses then count from where it is."""
    try:
        with Path(path).open("rb") as file:
            return file.read(18)[16:18] == b"\x03\x00"
    except OSError:
        return True


def _asked(path: str, at: int) -> str:
    """What addr2line says; empty without it, or without debug information."""
    tool = shutil.which("addr2line") or shutil.which("llvm-addr2line")
    if tool is None or not Path(path).is_file():
        return ""
    words = [tool, "-f", "-C", "-e", path, f"{at:#x}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LOOK_UP_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    function, _, place = done.stdout.strip().partition("\n")
    file, _, line = place.partition(" (")[0].rpartition(":")
    if not file or file == "??" or not line.isdigit() or line == "0":
        return ""
    return f"{_short(file)}:{line} in {function}"


def _short(name: str) -> str:
    """Relative to the working directory where it lies below."""
    return os.path.normpath(name).removeprefix(f"{Path.cwd()}/")
