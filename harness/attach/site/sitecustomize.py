"""Attaches the recorder to this process: first on PYTHONPATH, it watches imports and then gives way to the program's own.

Nothing is imported here that the interpreter has not loaded anyway: processes that never communicate pay for this file only.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  (pathlib is not loaded yet)


def _attach() -> None:
    if "LOCKSTEP_ATTACH" not in os.environ or sys.version_info < (3, 10):
        return
    path = os.path.join(os.path.dirname(HERE), "imports.py")  # noqa: PTH118, PTH120
    namespace = {"__name__": "lockstep_imports", "__file__": path}
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        exec(compile(file.read(), path, "exec"), namespace)
    namespace["install"](os.environ["LOCKSTEP_ATTACH"])  # type: ignore[operator]


def _give_way() -> None:
    """Run the sitecustomize that this one hides, if there is one."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]  # noqa: PTH100
    mine = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", mine)


try:
    _attach()
except Exception as error:
    print(f"lockstep: this process is not watched: {type(error).__name__}: {error}", file=sys.stderr)
_give_way()
