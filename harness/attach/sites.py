"""The line of the program that called an operation: evidence of who waits where."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType

from lockstep.harness.trace.recorder import Recorder

HERE = str(Path(__file__).parent)
LIBRARIES = ("/site-packages/torch/", "/dist-packages/torch/", "/mpi4py/", "/contextlib.py", "/functools.py", "<frozen")
_is_library: dict[str, bool] = {}
_texts: dict[tuple[CodeType, int], int] = {}


def call_site(recorder: Recorder) -> int:
    """The string id of `file:line in function`: the innermost frame that belongs to no communication library."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        library = _is_library.get(name)
        if library is None:
            library = _is_library[name] = name.startswith(HERE) or any(part in name for part in LIBRARIES)
        if not library:
            key = (code, frame.f_lineno)
            found = _texts.get(key)
            if found is None:
                found = _texts[key] = recorder.string(f"{_short(name)}:{frame.f_lineno} in {code.co_name}")
            return found
        frame = frame.f_back  # type: ignore[assignment]
    return 0


def forget() -> None:
    """The ids belong to another recorder."""
    _texts.clear()


def _short(name: str) -> str:
    """Relative to the working directory where it lies below."""
    here = f"{Path.cwd()}/"
    return name.removeprefix(here)
