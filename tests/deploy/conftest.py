"""One checkout for all CI files: installed once, with one night and its baseline, as docs/cluster.md makes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .checkout import BASELINE, checkout, of_another_machine, run
from .page import commands, parts

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs tools of its own where nobody asked for it."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("deploy") and "LOCKSTEP_DEPLOY" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="needs groovy, buildah and debootstrap: `make test-deploy`"))


@pytest.fixture(scope="session")
def checked_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, after the first part of docs/cluster.md; its host file names this host."""
    folder = checkout(tmp_path_factory.mktemp("ci") / "checkout")
    (folder / "hosts.txt").write_text("localhost:8\n")
    done = run(("bash", "-exc"), parts(commands("here"))[0], folder, {})
    assert done.returncode == 0, done.stderr
    of_another_machine(folder / BASELINE)
    return folder
