"""How a module of ours, or of an engine, is started by name as a process of its own. Standard library only."""

from __future__ import annotations

import sys

SAFE = sys.version_info >= (3, 11)  # from then on Python can be told to keep the current folder out of its path
START = "import sys, runpy; sys.path.remove(''); runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs an installed module, whatever modules the current folder holds.

    With `python -m` alone a folder of the same name there, such as another checkout, would run in its stead, and be judged
    (or judge) as if it were what is installed.
    """
    start = ["-P", "-m", module] if SAFE else ["-c", START, module]
    return [sys.executable, *start, *arguments]
