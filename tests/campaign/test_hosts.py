"""`lockstep run --hosts` as far as one host goes: what is planned, kept, told and refused. tests/cluster has more hosts."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lockstep.harness.campaign.run import rerun_command
from lockstep.harness.launch.interface import Interface
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from tests.campaign.test_command_line import SCENARIO, lockstep
from tests.report.samples import case


def test_a_list_with_this_host_alone(tmp_path: Path) -> None:
    """Its slots are kept to; the run keeps its facts, verdicts and lines say where ranks ran, and it can be continued."""
    words = ("--reports", str(tmp_path), "--run-id", "r", "--jobs", "auto", "-k", "none", "--json")
    done = lockstep("run", SCENARIO, "--hosts", "localhost:2", *words, check=0)
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["nodes"] == "localhost:2"
    assert line["host_memory_bytes"] > 10 << 20
    run = json.loads((tmp_path / "r" / "run.json").read_text())
    (host,) = run["environment"]["hosts"]
    assert (host["name"], host["slots"], host["host"]) == ("localhost", 2, os.uname().nodename)
    assert (run["options"]["hosts"], run["plan"][0]["nodes"]) == ("localhost:2", [2])
    (verdict,) = (json.loads(path.read_text()) for path in tmp_path.glob("r/cases/*/verdict.json"))
    assert verdict["places"] == [{"host": "localhost", "ranks": 2, "gpus": []}]
    assert "--hosts" not in verdict["rerun"]  # this host needs no list
    done = lockstep("run", "--resume", "r", "--reports", str(tmp_path), check=0)
    assert "1 of 1 cases are judged and kept" in done.stderr
    done = lockstep("run", "--resume", "r", "--hosts", "localhost:1", "--reports", str(tmp_path), check=3)
    assert "they need 2 slots, and the hosts have 1; more are given as name:slots" in done.stderr


def test_what_the_hosts_cannot_hold(tmp_path: Path) -> None:
    """Too few slots or hosts for every case: nothing is launched, and it is said what is lacking."""
    done = lockstep("run", SCENARIO, "--hosts", "localhost:1", "--reports", str(tmp_path / "r"), check=3)
    assert "2 of 2 cases are left out: they need 2 slots, and the hosts have 1" in done.stderr
    done = lockstep("run", SCENARIO, "--set", "nodes=2", "--reports", str(tmp_path / "r"), check=3)
    assert "2 of 2 cases are left out: they need 2 hosts, and there is 1 host; --hosts names more" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_rerun_names_the_hosts() -> None:
    """The command to run a case again takes it to the same hosts, each with the ranks that it had, by the same interface."""
    head = Interface("eth1", "10.78.0.1", "10.78.0.0/24", chosen=True)
    one = case("a")
    one = type(one).from_json({**one.to_json(), "spec": {"device": "cpu"}})
    rank_map = RankMap((NodeRanks("a", 3), NodeRanks("b", 1)), head=head)
    assert rerun_command(one, NoMpi(), ("x=1",), rank_map, named=True) == (
        f"lockstep run {one.path} --case a --launcher none --device cpu --hosts a:3,b:1 --interface 10.78.0.1 --set x=1"
    )
    assert "--hosts" not in rerun_command(one, NoMpi(), (), rank_map, named=False)  # those of an allocation, which ends
    assert "--hosts" not in rerun_command(one, NoMpi(), (), RankMap.on_this_host(4), named=True)
