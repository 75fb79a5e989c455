"""Pages of real runs of every outcome in Chromium: both widths, light and dark, links followed, nothing fetched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.attach.launch import BIN
from tests.attach.test_command_line import PATH

from .chromium import Chromium
from .test_pages import OVERFLOW

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
RANKS = "import torch.distributed as dist; dist.init_process_group('gloo'); "
PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "success": ((), ("-c", "print('done')")),
    "raise": (("-n", "2"), ("-c", f"{RANKS}raise ValueError('<b>no</b>')")),
    "crash": (("-n", "2"), ("-c", f"{RANKS}import os; os.kill(os.getpid(), 11)")),
    "hang": (("-n", "2"), ("scenarios/command/programs/mpi_and_gloo.py", "short")),
    "slow": (
        ("-n", "2", "--deadline", "25"),
        ("-c", f"{RANKS}import time, torch\nwhile True: dist.all_reduce(torch.ones(1)); time.sleep(0.1)"),
    ),
    "invalid": (("-n", "2"), ("-c", "import os, signal; os.kill(int(os.environ['HEAD']), signal.SIGTERM); signal.pause()")),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each outcome."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (options, program) in PROGRAMS.items():
        words = [
            str(BIN / "lockstep"),
            "watch",
            "--reports",
            str(folder),
            "--run-id",
            name,
            *options,
            "--",
            "python",
            *program,
        ]
        # The shell becomes the command, so that a program can know whom it is to interrupt.
        subprocess.run(
            ["sh", "-c", 'HEAD=$$ exec "$@"', "sh", *words], cwd=ROOT, env={**os.environ, **PATH}, timeout=120, check=False,
            capture_output=True,
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("chromium", [False, True], indirect=True, ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_every_outcome(chromium: Chromium, width: int, runs: Path) -> None:
    """Each says its outcome, fits, is complete in itself, and leads to the page of its run and back."""
    for name in PROGRAMS:
        (page,) = runs.glob(f"{name}/cases/*/report.html")
        chromium.open(page, width)
        assert chromium.value("document.querySelector('.badge').innerText").startswith(name)
        assert chromium.value(OVERFLOW) == 0, name
        assert chromium.value("document.scripts.length + document.querySelectorAll('b b, dd b').length") == 0
        run = chromium.value("decodeURIComponent(document.querySelector('nav a').href)")
        chromium.open(Path(run.removeprefix("file://")), width)
        assert chromium.value("document.querySelector('#cases a').href") == page.resolve().as_uri()
        assert chromium.value(OVERFLOW) == 0, name
    assert chromium.said() == []
    assert all(url.startswith(runs.resolve().as_uri()) for url in chromium.fetched())
