"""One checkout for all CI files: installed once, with one night and the baseline that was made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .checkout import BASELINE, checkout, run

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs tools of its own where nobody asked for it."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("deploy") and "LOCKSTEP_DEPLOY" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="needs groovy, buildah and debootstrap: `make test-deploy`"))


@pytest.fixture(scope="session")
def checked_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout."""
    folder = checkout(tmp_path_factory.mktemp("ci") / "checkout")
    night = "lockstep run --all --nightly --device cpu --run-id first"
    baseline = f"lockstep report first --format baseline --output {BASELINE}"
    done = run(("bash", "-ec"), f"PATH=$PWD/.venv/bin:$PATH; {night}; {baseline}", folder, {})
    assert done.returncode == 0, done.stderr
    return folder
