"""`-x`, `-q` and `--last-failed` as pytest has them, on real programs of which one is not as expected."""

from __future__ import annotations

import json
from pathlib import Path

from tests.campaign.test_command_line import lockstep

SCENARIO = "tests/campaign/failing.yaml"
WELL, WRONG, AFTER = (f"failing[config.argv={name}]" for name in ("well", "wrong", "after"))


def outcomes(stdout: str) -> dict[str, str]:
    """What was judged, by case."""
    return {line["case"]: line["outcome"] for line in map(json.loads, stdout.splitlines()) if line["judged"]}


def test_first_failure_and_last_failed(tmp_path: Path) -> None:
    """`-x` begins nothing after the first failure, `-q` tells of nothing that is well, `--last-failed` runs what failed."""
    where = ("--reports", str(tmp_path), "--jobs", "1", "--json")
    done = lockstep("run", SCENARIO, "-x", "-q", *where, check=1)
    assert outcomes(done.stdout) == {WELL: "success", WRONG: "crash"}
    assert f"NOT AS EXPECTED {WRONG}: crash" in done.stderr
    assert WELL not in done.stderr
    assert f"{AFTER}: not run" in done.stderr
    again = lockstep("run", SCENARIO, "--last-failed", *where, check=1)
    assert outcomes(again.stdout) == {WRONG: "crash"}
    by_name = lockstep("run", SCENARIO, "--lf", "latest", *where, check=1)
    assert outcomes(by_name.stdout) == {WRONG: "crash"}


def test_quiet_and_verbose(tmp_path: Path) -> None:
    """Of what is as expected `-q` says only how many there are; `-v` has the sentence of each verdict."""
    words = ("run", SCENARIO, "--case", WELL, "--reports", str(tmp_path))
    quiet, loud = lockstep(*words, "-q", check=0).stderr, lockstep(*words, "-v", check=0).stderr
    assert WELL not in quiet
    assert "1 case: 1 as expected" in quiet
    assert WELL in loud
    assert len(loud.splitlines()) > len(quiet.splitlines())
