"""One checkout for all CI files: installed once, with one night and the baseline that was made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .checkout import BASELINE, checkout, run


@pytest.fixture(scope="session")
def checked_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout."""
    folder = checkout(tmp_path_factory.mktemp("ci") / "checkout")
    night = "lockstep run --all --nightly --device cpu --run-id first"
    baseline = f"lockstep report first --format baseline --output {BASELINE}"
    done = run(("bash", "-ec"), f"PATH=$PWD/.venv/bin:$PATH; {night}; {baseline}", folder, {})
    assert done.returncode == 0, done.stderr
    return folder
