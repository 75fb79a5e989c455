"""Makes the pictures of docs/pages.md: real runs, their pages in Chromium. `make pictures`, some minutes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import Chromium

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
SCENARIOS = ("generation-capture-asymmetric", "guided-last-stage", "veto-livelock", "planted-hangs")
PROGRAMS = {
    "program": ("-n", "2", "--", "python", "scenarios/command/programs/mpi_and_gloo.py", "short"),
}
# Name of the picture: run, a part of the case's folder (empty: the page of the run), height, whether dark.
SHOWN = {
    "decision": ("scenarios", "generation-capture-asymmetric-guards.generation_capture-none", 1180, False),
    "program": ("program", "mpi_and_gloo", 900, False),
    "pipeline": ("scenarios", "guided-last-stage-guards.general-assert-guards.phase_entry-own", 900, True),
    "raised": ("scenarios", "planted-hangs-faults-raise", 900, False),
    "livelock": ("scenarios", "veto-livelock-guards.empty_batch-veto", 800, False),
    "run": ("scenarios", "", 800, False),
}


def main() -> None:
    """Run, look, keep."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder) / "runs"
        _lockstep("run", *SCENARIOS, "--device", "cpu", "--run-id", "scenarios", "--reports", str(reports))
        for name, words in PROGRAMS.items():
            _lockstep("watch", "--run-id", name, "--reports", str(reports), *words)
        for dark in (False, True):
            with Chromium(Path(folder) / f"profile-{dark}", dark) as browser:
                for name, (run, case, height, wanted) in SHOWN.items():
                    if wanted is dark:
                        browser.open(_page(reports / run, case), 1120, height)
                        browser.picture(PICTURES / f"{name}.png", whole=False)


def _lockstep(*words: str) -> None:
    bin = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}
    subprocess.run([bin / "lockstep", *words], cwd=ROOT, env=env, check=False)


def _page(run: Path, case: str) -> Path:
    if not case:
        return run / "report.html"
    (found,) = (run / "cases").glob(f"{case}*/report.html")
    return found


if __name__ == "__main__":
    main()
