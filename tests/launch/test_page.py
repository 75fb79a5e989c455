"""docs/hosts.md is true: its host file means what it says, and its commands are such. tests/cluster runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lockstep.harness.launch.ssh import OPTIONS
from lockstep.harness.placement.hosts import Host, parse_file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hosts.md").read_text()


def test_the_host_file() -> None:
    """Its comments say what its lines mean."""
    (text,) = re.findall(r"<!-- hosts -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert parse_file(text, "page") == (Host("node1", 4), Host("node2", 4), Host("10.1.0.7", 2))


def test_options_are_those_of_the_commands() -> None:
    """Every option on the page that is Lockstep's is one of the command that it stands behind."""
    for line in re.findall(r"^lockstep (.*?)(?: #.*| --? .*)?$", PAGE, re.MULTILINE):
        command, *words = line.split(" -- ")[0].split()
        done = subprocess.run(
            [str(Path(sys.executable).parent / "lockstep"), command, "--help"], capture_output=True, text=True, check=True
        )
        assert all(word in done.stdout for word in words if word.startswith("--"))


def test_times() -> None:
    """Ten seconds to connect."""
    assert f"after {OPTIONS['ConnectTimeout']} s" in PAGE
    assert OPTIONS["BatchMode"] == "yes"
    assert "`BatchMode`" in PAGE
