"""What a page that is looked at costs the watchdog: `python -m benchmarks.live_page [RANKS [ROUNDS]]`.

The same simulated start-up as in `watchdog_load`, by turns without `--serve`, with it and nobody who looks, and with a
browser that renews the page as its script does. Figures: processor seconds of the
watchdog, from the launch to the verdict.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.watchdog_load import Measured
from lockstep.harness.report.live.serving import serving
from lockstep.harness.report.pages.live_page import EVERY_S
from lockstep.harness.vocabulary import Outcome

STEP_S = 0.3  # so that a start-up lasts some looks
WAYS = ("without", "served", "looked at")


def measure(ranks: int = 100, rounds: int = 3) -> dict[str, float]:
    """The figures, and their ratios to the first."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    shown = 0
    for _ in range(rounds):
        for way in WAYS:
            seconds, pages = _one(ranks, way)
            found[way].append(seconds)
            shown += pages
    median = {way: statistics.median(values) for way, values in found.items()}
    figures = {f"{ranks} ranks, {way}: watchdog's processor s": value for way, value in median.items()}
    ratios = {f"{ranks} ranks, {way}: ratio": median[way] / median["without"] for way in WAYS[1:]}
    return figures | ratios | {"pages shown": float(shown)}


def _one(ranks: int, way: str) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as name:
        run, said = Path(name), list[str]()
        folder = run / "cases" / "simulated"
        folder.mkdir(parents=True)
        dog = Measured(ranks, folder, [str(STEP_S), "-1", "64"])
        with serving(run, way != "without", said.append):
            over, pages = threading.Event(), list[float]()
            looking = threading.Thread(target=_look, args=(said[0].partition(": ")[2] if said else "", over.is_set, pages))
            if way == "looked at":
                looking.start()
            cpu = time.process_time()
            verdict = dog.watch()
            seconds = dog.cpu["verdict"] - cpu
            over.set()
            if way == "looked at":
                looking.join()
    if verdict.outcome is not Outcome.SUCCESS:
        raise RuntimeError(f"{verdict.outcome.value}: {verdict.text[:500]}")
    return seconds, len(pages)


def _look(url: str, over: Callable[[], bool], pages: list[float]) -> None:
    while not over():
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                pages.append(len(answer.read()))
        except (urllib.error.URLError, OSError):  # it ends with the run
            return
        until = time.monotonic() + EVERY_S
        while time.monotonic() < until and not over():
            time.sleep(0.05)


def main() -> None:
    """From the command line."""
    for name, value in measure(*map(int, sys.argv[1:])).items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
