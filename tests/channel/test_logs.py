"""Logs of a case: nothing by default, everything that was said at `debug`, and no secret."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lockstep.harness.channel import to_watchdog
from lockstep.harness.channel.logs import ProcessLog, level
from lockstep.harness.channel.supervisor_end import Line
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.environment import LOG
from lockstep.harness.errors import LockstepError
from lockstep.harness.launch.job import Job
from lockstep.harness.supervisor.log import SupervisorLog
from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import watchdog as program_watchdog
from tests.channel.test_supervisor_end import hello, plan
from tests.channel.test_watchdog_end import heard
from tests.watchdog.launch import judge

SECRET = "api-key-SECRET"


def logs(folder: Path) -> dict[str, str]:
    """The logs in the folder of a case."""
    found = sorted([*folder.glob("supervisor-*.log"), *folder.glob("watchdog.log")])
    return {path.name: path.read_text() for path in found}


def test_nothing_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case in which nothing is wrong leaves no log."""
    monkeypatch.delenv(LOG, raising=False)
    assert judge("clean", 2, tmp_path).outcome is Outcome.SUCCESS
    assert logs(tmp_path) == {}


def test_all_that_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At `debug`: one file for each process, with every message at both ends, and themes by which to search."""
    monkeypatch.setenv(LOG, "debug")
    assert judge("clean", 2, tmp_path).outcome is Outcome.SUCCESS
    found = logs(tmp_path)
    assert sorted(found) == ["supervisor-0.log", "supervisor-1.log", "watchdog.log"]
    watchdog = found["watchdog.log"]
    for rank in range(2):
        sent = re.findall(r"lockstep\.channel: sent (\w+)\(", found[f"supervisor-{rank}.log"])
        came = re.findall(rf"lockstep\.channel: rank {rank}: came (\w+)\(", watchdog)
        assert {"Hello", "Delta", "Here", "Ended", "Bye"} <= set(sent)
        assert came == sent[1 : 1 + len(came)]  # the hello is a line of its own; what comes after the bye nobody reads
        assert "Bye" in came
    assert re.search(r"INFO +lockstep\.judge: success", watchdog)
    assert "to all: End(keep=" in watchdog
    assert "lockstep.supervisor: started process" in found["supervisor-0.log"]


def test_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the keys nor what a program is given or prints."""
    monkeypatch.setenv(LOG, "debug")
    dog = program_watchdog([sys.executable, "-c", "import sys; print(sys.argv)", f"--token={SECRET}"], 1, tmp_path)
    heads: list[Head] = []
    launch = dog._launch

    def noted(head: Head) -> Job:
        heads.append(head)
        return launch(head)

    monkeypatch.setattr(dog, "_launch", noted)
    assert dog.watch().outcome is Outcome.SUCCESS
    text = "".join(logs(tmp_path).values())
    assert "Output(" in text
    for secret in (SECRET, heads[0].client_secret, heads[0].client_public, heads[0].server_key, dog.token):
        assert secret not in text


def test_what_is_left_out_is_written_in_any_case(tmp_path: Path) -> None:
    """Also without the variable; but a flood of it is not."""
    path = tmp_path / "watchdog.log"
    log = ProcessLog.to_file(path, level({}))
    with Head(1, log=log.theme("channel")) as head:
        line = Line(plan(head.endpoint, head))
        line.send(hello(0))
        for _ in range(100):
            line._socket.send(b"?")
        line.send(to_watchdog.Bye())
        heard(head, lambda found: (0, to_watchdog.Bye()) in found)
        line.close()
    log.close()
    lines = path.read_text().splitlines()
    assert 1 <= len(lines) < 20
    assert "WARNING lockstep.channel: what came from the supervisor of rank 0 is left out" in lines[0]


def test_a_supervisor_on_another_host_sends_its_lines(tmp_path: Path) -> None:
    """It has no folder of the case to write into."""
    with Head(1) as head:
        there = replace(plan(head.endpoint, head), machine="another", log_folder=str(tmp_path))
        log = SupervisorLog(there, 0, {LOG: "debug"})
        line = Line(there, log.channel)
        line.send(hello(0))
        log.send(line)
        found = heard(head, lambda found: len(found) > 1)
        line.close()
    told = found[1][1]
    assert isinstance(told, to_watchdog.Log)
    assert "sent Hello(rank=0" in told.text
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """Its folder is gone."""
    log = ProcessLog.to_file(tmp_path / "gone" / "watchdog.log", "info")
    log.theme("watchdog").info("starting")
    log.close()


def test_a_level_that_is_none() -> None:
    """One sentence that says what there is, and exit code 2, before anything is started."""
    with pytest.raises(LockstepError, match="LOCKSTEP_LOG=loud: no such level; use one of debug, info"):
        level({LOG: "loud"})
    command = [sys.executable, "-m", "lockstep.harness.cli", "list"]
    done = subprocess.run(command, env={**os.environ, LOG: "loud"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "LOCKSTEP_LOG=loud" in done.stderr
    assert "Traceback" not in done.stderr
