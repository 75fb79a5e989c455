"""docs/cluster.md over two test hosts: every command of the page, in a checkout on a file system that all hosts mount."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.hosts import ROOT, Cluster
from tests.deploy.checkout import BASELINE, checkout, of_another_machine
from tests.deploy.page import commands, host_file, parts


@pytest.fixture
def shared() -> Iterator[Path]:
    """A checkout that every host sees at the same place, with few scenarios."""
    (ROOT / "build").mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="page-", dir=ROOT / "build"))
    try:
        folder = checkout(place / "checkout")
        shutil.copy(ROOT / "scenarios/cluster/generation-capture-two-nodes.yaml", folder / "scenarios")
        yield folder
    finally:
        shutil.rmtree(place)


@pytest.mark.timeout(900)
def test_commands(cluster: Cluster, shared: Path) -> None:
    """From the installation to the textfile: all commands end well, and the nights find the deadlock between two hosts."""
    (shared / "hosts.txt").write_text(host_file())
    script = commands("here", "hosts")
    assert "generation-capture-two-nodes" in script
    said = ""
    for part in parts(script):
        done = cluster.run(cluster.head, ["bash", "-exc", part], cwd=shared, timeout_s=850, check=False)
        assert done.returncode == 0, done.stderr
        of_another_machine(shared / BASELINE)
        said += done.stderr + done.stdout
    assert "2 cases: 2 as expected" in said
    assert said.count("3 cases: 3 as expected") == 2
    assert said.count("ok   launcher") == 1  # the head
    assert len(re.findall(r"^ *node[12] +ok +4 ", said, re.MULTILINE)) == 2
    assert "3 cases in both: 0 changes for the worse" in said
