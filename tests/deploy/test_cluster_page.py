"""docs/cluster.md is true: its commands run, its codes, metrics and options are those of the code, its links lead on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockstep.harness.cli import EXIT_INTERRUPTED, parser
from lockstep.harness.placement.hosts import Host, parse_file
from lockstep.harness.report import exit_code
from lockstep.harness.report.prometheus import gauges
from lockstep.harness.scenario.errors import ScenarioError

from .checkout import ROOT, run
from .page import PAGE, commands, first_cells, host_file, parts


@pytest.mark.timeout(300)
def test_commands(checked_out: Path) -> None:
    """The commands that need no other host run, in their order; the first part has made the checkout what it is."""
    script = commands("here")
    assert script.count("lockstep ") >= 5
    done = run(("bash", "-exc"), parts(script)[1], checked_out, {})
    assert done.returncode == 0, done.stderr
    assert "1 cases in both: 0 changes for the worse" in done.stdout
    text = (checked_out / "lockstep.prom").read_text()
    assert 'lockstep_run_exit_code{device="auto",shard=""} 0' in text


def test_host_file() -> None:
    """It is read as the page says, in its other forms too."""
    wanted = (Host("node1", 4), Host("node2", 4))
    assert parse_file(host_file(), "hosts.txt") == wanted
    assert parse_file(host_file().replace(":", " slots="), "hosts.txt") == wanted
    assert parse_file("node1\n" * 4 + "node2\n" * 4, "hosts.txt") == wanted


def test_exit_codes() -> None:
    """The table has every exit code of a run."""
    codes = {value for name, value in vars(exit_code).items() if name.startswith("EXIT_")}
    assert first_cells("| code of `lockstep run` |") == [str(code) for code in sorted(codes | {ScenarioError.exit_code})] + [
        str(EXIT_INTERRUPTED)
    ]


def test_metrics() -> None:
    """The table has every metric with its labels, in their order."""
    run = {"run": "r", "started": "2026-11-24T13:15:02.500000+00:00", "environment": {}, "options": {}}
    found = list(gauges(run, []))
    assert first_cells("| metric | further labels | what |") == [gauge.name for gauge in found]
    (info,) = [gauge for gauge in found if gauge.name == "lockstep_run_info"]
    row = next(row for row in PAGE.splitlines() if row.startswith("| `lockstep_run_info`"))
    assert re.findall("`([^`]+)`", row)[1:] == list(info.samples[0][0])


def test_options_and_links() -> None:
    """Options that the page names are there, and so are the files that it links to."""
    runs = next(action for action in parser()._actions if action.choices)
    assert isinstance(runs.choices, dict)
    known = {option for one in runs.choices.values() for option in one._option_string_actions}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= known | {"--shm-size"}
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
