"""The small pictures that pages are compared with, made anew: `make kept-pictures`. Look at them before they are committed.

What differs from machine to machine is pinned: clocks are counted, one font stands in the place of all (DejaVu Sans, of
Debian's fonts-dejavu-core), pictures are an eighth of the page, and a difference is that of blocks of 32 pixels.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.history import history_frame, update
from lockstep.harness.report.live.looks import Going, Look
from lockstep.harness.report.pages import live_page
from lockstep.harness.report.pages.make import PAGE, make_bisection_page, make_history_page, make_pages
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.vocabulary import Cause, Outcome
from tests.report.page_samples import case_folder
from tests.report.samples import ENVIRONMENT, case, hang, success
from tests.report.test_live_page import answer, entry, rank
from tests.report.test_night_pages import REPORT, night

from .chromium import Chromium

KEPT = Path(__file__).parent / "kept"
FONT = "DejaVu Sans"
SCALE = 0.125
STEP_NS = 7_000_000
PIN = f"""(() => {{
  const style = document.createElement("style");
  style.textContent = '*{{font-family:"{FONT}"!important}}';
  document.head.append(style);
}})()"""


class Shot(NamedTuple):
    """A page as it is looked at."""

    page: str
    width: int
    dark: bool

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.page}-{self.width}-{'dark' if self.dark else 'light'}.png"


def _case(root: Path) -> Path:
    store, folder = case_folder(root, 8)
    make_pages(store)
    return folder / PAGE


def _run(root: Path) -> Path:
    """Every outcome, as expected and not."""
    raised = Verdict(Outcome.RAISE, Cause.ALL_RANKS, "All ranks raised ValueError.", start_to_verdict_s=1.0)
    crash = Verdict(Outcome.CRASH, Cause.SIGNAL, "Rank 2 died: killed by signal 11.", start_to_verdict_s=1.0)
    slow = Verdict(Outcome.SLOW, text="Still advancing at its deadline of 60 s.", start_to_verdict_s=60.0)
    invalid = Verdict(Outcome.INVALID, Cause.LAUNCH, "No host would have it.")
    found = [hang(), success(), raised, crash, slow, invalid, hang()]
    names = [f"scenario-{at // 3}[guards.x={at}]" for at in range(len(found) + 1)]
    store = RunStore.create(root, "one", ["lockstep", "run"], ENVIRONMENT, [case(name) for name in names])
    for at, verdict in enumerate(found):
        differs = ["outcome: expected success, got hang"] if at == 6 else []
        store.record(CaseRecord(case(names[at]), verdict, not differs, differs, "lockstep run again", 1.0))
    page = make_pages(store)
    assert page is not None
    return page


def _history(root: Path) -> Path:
    for name, hangs in (("n1", 0), ("n2", 2), ("n3", 1)):
        night(root, name, hangs)
    page = make_history_page(root, history_frame(update(root)))
    assert page is not None
    return page


def _bisection(root: Path) -> Path:
    page = make_bisection_page(root, REPORT)
    assert page is not None
    return page


def _live(root: Path) -> Path:
    told = answer(*(rank(number, [3]) for number in range(3)), rank(3, []), text="ranks 0-2 wait in all_reduce for rank 3")
    run = {"run": "r1", "plan": [entry(name) for name in "abc"], "started": "2026-11-30T18:00:00"}
    with mock.patch("time.strftime", lambda form: "18:00:30"):
        made = live_page.live_page(Look(run, (Going("a", told),), {}, frozenset(), frozenset()), Path("r1"))
    (root / "live.html").write_text(made.replace('data-every="3"', 'data-every="3600"'))
    return root / "live.html"


PAGES: dict[str, Callable[[Path], Path]] = {
    "case": _case, "run": _run, "history": _history, "bisection": _bisection, "live": _live,
}  # fmt: skip
SHOTS = (
    *(Shot("case", width, dark) for width in (1280, 400) for dark in (False, True)),
    *(Shot(page, 1280, False) for page in PAGES if page != "case"),
    Shot("run", 400, True),
    Shot("live", 400, False),
)


def make_page(name: str, root: Path) -> Path:
    """One of them, by a clock that is counted."""
    root.mkdir()
    count = itertools.count(STEP_NS, STEP_NS)
    with mock.patch("lockstep.harness.trace.writer._now", lambda: next(count)):
        return PAGES[name](root)


def has_font() -> bool:
    """Whether this machine has the one that is pinned."""
    listed = shutil.which("fc-list") and subprocess.run(["fc-list", FONT], capture_output=True, check=False).stdout
    return bool(listed)


def small_picture(browser: Chromium, page: Path, width: int) -> bytes:
    """The whole page, small, in the font that is pinned."""
    browser.open(page, width, past_policy=True)
    browser.value(PIN)
    return browser.small_picture(SCALE)


def main() -> None:
    """Make all of them anew."""
    KEPT.mkdir(exist_ok=True)
    assert has_font(), f"needs the font {FONT} (Debian: fonts-dejavu-core)"
    with tempfile.TemporaryDirectory() as name:
        for dark in (False, True):
            with Chromium(Path(name) / f"profile-{dark}", dark) as browser:
                for shot in SHOTS:
                    if shot.dark is dark:
                        page = make_page(shot.page, Path(name) / shot.name)
                        (KEPT / shot.name).write_bytes(small_picture(browser, page, shot.width))


if __name__ == "__main__":
    main()
