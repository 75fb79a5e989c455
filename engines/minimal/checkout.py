"""Runs the `lockstep.engines.minimal` of a checkout: `python checkout.py LOCKSTEP ENGINES`, in place of the
installed one. Started by a supervisor.

Whatever else the checkout or the current folder holds, `lockstep.engines` is the checkout's and the rest of `lockstep` is
the one that judges. Commits of the time when both were top-level packages find them under these names too.
"""

from __future__ import annotations

import runpy
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path


class Fixed:
    """Finds packages where it is told, before anything else looks for them."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of one of the packages; what lies below them is found in them."""
        if name not in self.folders:
            return None
        folder = self.folders[name]
        if not (folder / "__init__.py").exists():
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
            return spec
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


def engines_folder(tree: str) -> str:
    """The `engines` folder of a checkout: the folder itself, or in it. Raises NotInCheckout."""
    from lockstep.harness.scenario.errors import NotInCheckout

    for folder in (Path(tree, "engines"), Path(tree)):
        if (folder / "minimal" / "__main__.py").is_file():
            return str(folder)
    raise NotInCheckout(f"{tree}: there is no engines/minimal/__main__.py")


def main(lockstep: str, engines: str) -> None:
    """Become `python -m lockstep.engines.minimal` of the checkout, with the rest of `lockstep` in that folder."""
    own = Path(__file__).parent
    sys.path[:] = [
        entry for entry in sys.path if Path(entry).resolve() != own.resolve()
    ]  # its modules are no top-level ones
    ours, theirs = Path(lockstep), Path(engines)
    sys.meta_path.insert(
        0, Fixed({"lockstep": ours, "lockstep.engines": theirs, "harness": ours / "harness", "engines": theirs})
    )
    runpy.run_module("lockstep.engines.minimal", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
