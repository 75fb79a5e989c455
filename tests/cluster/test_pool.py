"""A run of several cases on three hosts: side by side, on their own places, repeatable, and refused when a host is lost."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import datetime
from itertools import combinations
from pathlib import Path

import pytest

from tests.cluster.hosts import Cluster

LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
SCENARIO = "tests/campaign/two_ranks.yaml"
REPORTS = "/tmp/pool"
HOSTS = "node1:2,node2:2,node3:1"


def lockstep(cluster: Cluster, *words: str, check: int) -> subprocess.CompletedProcess[str]:
    """Run the command on the head host."""
    done = cluster.run("login", [LOCKSTEP, *words], check=False, timeout_s=200)
    assert done.returncode == check, done.stderr + done.stdout
    return done


@pytest.mark.timeout(300)
def test_cases_side_by_side(cluster: Cluster) -> None:
    """Each case has its hosts; the run keeps what each is; the command of a verdict takes its case to the same hosts."""
    words = ("--jobs", "auto", "--reports", REPORTS, "--run-id", "r", "--json", "--set", "nodes=2")
    done = lockstep(cluster, "run", SCENARIO, "--hosts", HOSTS, *words, check=0)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["nodes"] for line in lines} <= {"node1:1,node2:1", "node1:1,node3:1", "node2:1,node3:1"}
    folder = cluster["login"].path(f"{REPORTS}/r")
    run = json.loads((folder / "run.json").read_text())
    hosts = run["environment"]["hosts"]
    assert [(host["name"], host["host"], host["slots"]) for host in hosts] == [
        ("node1", "node1", 2), ("node2", "node2", 2), ("node3", "node3", 1),
    ]  # fmt: skip
    assert [entry["nodes"] for entry in run["plan"]] == [[1, 1], [1, 1]]
    verdicts = [json.loads(path.read_text()) for path in folder.glob("cases/*/verdict.json")]
    for verdict in verdicts:
        assert [end["host"] for end in verdict["ranks"]] == [place["host"] for place in verdict["places"]]
    for one, other in combinations(verdicts, 2):
        ends = [datetime.fromisoformat(verdict["recorded"]).timestamp() for verdict in (one, other)]
        if ends[0] - one["seconds"] < ends[1] and ends[1] - other["seconds"] < ends[0]:
            assert sum(place["host"] == "node3" for verdict in (one, other) for place in verdict["places"]) <= 1
    (hung,) = [verdict for verdict in verdicts if verdict["outcome"] == "hang"]
    assert f"--hosts {','.join(place['host'] + ':1' for place in hung['places'])}" in hung["rerun"]
    again = lockstep(cluster, *shlex.split(hung["rerun"])[1:], "--reports", REPORTS, "--json", check=0)
    (line,) = map(json.loads, again.stdout.splitlines())
    assert (line["signature"], line["nodes"]) == (hung["signature"], lines[0]["nodes"])
    kept = lockstep(cluster, "run", "--resume", "r", "--reports", REPORTS, check=0)
    assert "2 of 2 cases are judged and kept" in kept.stderr
    kept = lockstep(cluster, "run", "--resume", "r", "--hosts", "node3:1,node2:2,node1:2", "--reports", REPORTS, check=0)
    assert "2 of 2 cases are judged and kept" in kept.stderr
    other = lockstep(cluster, "run", "--resume", "r", "--hosts", "node1:2,node2:2", "--reports", REPORTS, check=2)
    assert "run r cannot be continued" in other.stderr
    assert "3 then, 2 now" in other.stderr


def test_a_lost_host_is_named(cluster: Cluster) -> None:
    """`doctor` says which, with what is known of the others; a run on it is refused, and none is made."""
    cluster.cut("node3")
    try:
        done = lockstep(cluster, "doctor", "--hosts", HOSTS, "--json", check=3)
        refused = lockstep(cluster, "run", SCENARIO, "--hosts", HOSTS, "--reports", "/tmp/none", check=3)
    finally:
        cluster.mend("node3")
    told = json.loads(done.stdout)
    assert [(one["host"], one["error"] == "", bool(one["facts"])) for one in told] == [
        ("node1", True, True), ("node2", True, True), ("node3", False, False),
    ]  # fmt: skip
    assert "host node3 cannot be used: " in refused.stderr
    assert "nothing was launched" in refused.stderr
    assert not cluster["login"].path("/tmp/none").exists()
    table = lockstep(cluster, "doctor", "--hosts", "node1:2,node2:2", check=0).stderr
    assert [line.split()[:3] for line in table.splitlines() if line.startswith(" node")] == [
        ["node1", "ok", "2"], ["node2", "ok", "2"],
    ]  # fmt: skip
