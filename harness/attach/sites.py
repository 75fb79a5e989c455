"""The line of the program that called an operation: evidence of who waits where."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType

from lockstep.harness.trace.recorder import Recorder

HERE = str(Path(__file__).parent)
LIBRARIES = ("/site-packages/torch/", "/dist-packages/torch/", "/mpi4py/", "/contextlib.py", "/functools.py", "<frozen")
COMPILED = ("/torchinductor_", "<eval_with_key>")  # code that torch writes
_is_library: dict[str, bool] = {}
_texts: dict[tuple[CodeType, int], int] = {}


def call_site(recorder: Recorder) -> int:
    """The string id of `file:line in function`: the innermost frame that belongs to no communication library."""
    found = outside(sys._getframe(2))
    if found is None:
        return 0
    code, line = found
    text = _texts.get(found)
    if text is None:
        text = _texts[found] = recorder.string(site_text(code, line))
    return text


def outside(frame: FrameType | None) -> tuple[CodeType, int] | None:
    """The innermost place from this frame on that belongs to no communication library."""
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        library = _is_library.get(name)
        if library is None:
            library = _is_library[name] = name.startswith(HERE) or any(part in name for part in (*LIBRARIES, *COMPILED))
        if not library:
            return code, frame.f_lineno
        frame = frame.f_back
    return None


def site_text(code: CodeType, line: int) -> str:
    """A place for people."""
    return f"{_short(code.co_filename)}:{line} in {code.co_name}"


def forget() -> None:
    """The ids belong to another recorder."""
    _texts.clear()


def _short(name: str) -> str:
    """Relative to the working directory where it lies below."""
    here = f"{Path.cwd()}/"
    return name.removeprefix(here)
