"""`lockstep view [RUN] [CASE]`: the page of a run or a case, made if it is not there, and opened where there is a screen."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from pathlib import Path

from lockstep.harness.commands import Subparsers
from lockstep.harness.report.destination import no_root
from lockstep.harness.report.find_case import find_case, is_case, open_run
from lockstep.harness.report.pages.make import PAGE, make_case_page, make_pages
from lockstep.harness.report.store import ROOT, RunStore
from lockstep.harness.scenario.errors import ScenarioError

EXIT_NO_PAGE = 3


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("view", usage="lockstep view [--print] [--reports DIR] [RUN | CASE | RUN CASE]")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a run, a case of the newest run, or a run and a case (default: newest run)"
    )
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--print", action="store_true", help="only print where the page is")
    parser.set_defaults(run=view)


def view(arguments: argparse.Namespace) -> int:
    """Print the page's place, and open it for somebody who sits at the machine."""
    page = _page(list(arguments.names), arguments.reports)
    if page is None:
        return EXIT_NO_PAGE
    print(page.resolve())
    if not arguments.print and sys.stdout.isatty() and _has_screen():
        webbrowser.open(page.resolve().as_uri())
    return 0


def _page(names: list[str], root: Path) -> Path | None:
    """Raises ScenarioError for what is not there."""
    if len(names) > 2:
        raise ScenarioError(f"lockstep view: {len(names)} names; give a run, a case, or both")
    if len(names) == 1 and is_case(Path(names[0]).absolute()):
        return _of_case(Path(names[0]).absolute())
    if len(names) == 1 and not _is_run(names[0], root):
        if not root.is_dir():
            raise ScenarioError(no_root(root))
        if not _is_run("latest", root):
            raise ScenarioError(f"{names[0]}: no such run in {root}, and no newest run that could have such a case")
        names.insert(0, "latest")
    store = open_run(names[0] if names else "latest", root)
    if len(names) < 2:
        return _of_run(store)
    line = find_case(store, names[1])
    if not line.judged:
        raise ScenarioError(f"lockstep view: {line.case} of run {store.id} has no verdict yet: {line.text}")
    return _of_case(store.path / "cases" / line.slug)


def _is_run(name: str, root: Path) -> bool:
    return any((path / "run.json").exists() for path in (Path(name), root / name))


def _of_case(folder: Path) -> Path | None:
    page, verdict = folder / PAGE, folder / "verdict.json"
    if not verdict.is_file():
        raise ScenarioError(
            f"lockstep view: {folder}: no verdict yet; `lockstep peek` says who waits where in a run that goes on"
        )
    fresh = page.is_file() and page.stat().st_mtime_ns >= verdict.stat().st_mtime_ns
    return page if fresh else make_case_page(folder)


def _of_run(store: RunStore) -> Path | None:
    page, lines = store.path / PAGE, store.path / "cases.jsonl"
    fresh = page.is_file() and lines.is_file() and page.stat().st_mtime_ns >= lines.stat().st_mtime_ns
    return page if fresh else make_pages(store)


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
