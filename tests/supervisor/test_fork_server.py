"""Ranks that are forked from a process which has imported what they import: as each would be that starts by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.host import proc, process_tree
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.stacks import as_started
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.fork_servers import ForkServerProcess, ForkServers
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.supervisor.forked_rank import program_of
from lockstep.harness.vocabulary import Outcome
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case

RANKS = 2
MODULES = ("numpy.random",)
NOT_FORKED = "lockstep supervisor: not forked: "


@pytest.fixture
def servers() -> Iterator[ForkServers]:
    """Those of this test."""
    with ForkServers() as made:
        yield made


def at(servers: ForkServers, *modules: str) -> str:
    """The socket of the server that has imported these modules."""
    return servers.address(modules or MODULES, find(), RankMap.on_this_host(RANKS))


def launched(folder: Path, deed: str, server: str, **environment: str) -> Verdict:
    """The verdict on ranks that tell how they find themselves."""
    return session(folder, deed, server, **environment).watch()


def session(folder: Path, deed: str, server: str, **environment: str) -> CaseSession:
    """The watchdog of such ranks, not yet started."""
    folder.mkdir(exist_ok=True)
    wanted = case("told", RANKS)
    wanted.spec["environment"] = environment
    argv = [sys.executable, "-m", "tests.supervisor.told", str(folder), deed]
    return CaseSession(EngineTarget(wanted, argv, fork_server=server), NoMpi(), folder)


def told(folder: Path) -> list[dict[str, Any]]:
    """What they told, by rank."""
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]


def log(folder: Path) -> str:
    """What supervisors and clients printed."""
    return (folder / "launcher.log").read_text()


def below(word: str) -> list[int]:
    """The processes below this one with a word in their command line."""
    return [pid for pid in process_tree.descendants(os.getpid()) if word in command_line(pid)]


def command_line(pid: int) -> str:
    """Of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def without(facts: dict[str, Any], *names: str) -> dict[str, Any]:
    """Some facts, but for those that differ from launch to launch."""
    return {name: value for name, value in facts.items() if name not in names}


def alike(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What must be the same of a forked rank and of one that was started, wherever its case lies."""
    kept = without(facts, "known", "process", "parent", "random", "numpy", "environment", "limits")
    text = json.dumps({**kept, "environment": sorted(facts["environment"])})
    return dict(json.loads(text.replace(str(folder), "FOLDER")))


def test_a_forked_rank_is_as_one_that_was_started(servers: ForkServers, tmp_path: Path) -> None:
    """Arguments, folder, environment, signals, descriptors, limits, session, and what others see of it are the same."""
    for name, server in (("fresh", ""), ("forked", at(servers))):
        verdict = launched(tmp_path / name, "nothing", server)
        assert verdict.outcome is Outcome.SUCCESS, (verdict.text, log(tmp_path / name))
    fresh, forked = told(tmp_path / "fresh"), told(tmp_path / "forked")
    assert NOT_FORKED not in log(tmp_path / "forked")
    assert [rank["known"] for rank in (*fresh, *forked)] == [False, False, True, True]
    for one, other in zip(fresh, forked, strict=True):
        assert alike(other, tmp_path / "forked") == alike(one, tmp_path / "fresh")
        assert other["limits"] == one["limits"]
    assert forked[0]["random"] != forked[1]["random"]
    assert forked[0]["numpy"] != forked[1]["numpy"]


@pytest.mark.parametrize(("deed", "code"), [("3", 3), ("SIGSEGV", -11), ("SIGKILL", -9), ("error", 1)])
def test_ends_are_told_exactly(deed: str, code: int, servers: ForkServers, tmp_path: Path) -> None:
    """Exit status and signal of a forked rank are those with which it ended; its error is printed as Python prints it."""
    fresh = launched(tmp_path / "fresh", deed, "")
    forked = launched(tmp_path / "forked", deed, at(servers))
    assert [rank.exit_code for rank in forked.ranks] == [rank.exit_code for rank in fresh.ranks] == [code] * RANKS
    assert (forked.outcome, forked.cause) == (fresh.outcome, fresh.cause)
    logs = [(tmp_path / name / "rank-0.log").read_text() if deed == "error" else "" for name in ("fresh", "forked")]
    assert logs[0].replace("fresh", "") == logs[1].replace("forked", "")
    assert ("LookupError" in logs[1]) is (deed == "error")


def test_what_a_rank_leaves_does_not_touch_the_next(servers: ForkServers, tmp_path: Path) -> None:
    """Threads, folder, variables, umask, signals, niceness and path that one rank changes are as before for the next."""
    forks = at(servers)
    launched(tmp_path / "before", "nothing", forks)
    launched(tmp_path / "leaking", "leak", forks)
    launched(tmp_path / "after", "nothing", forks)
    before, after = told(tmp_path / "before"), told(tmp_path / "after")
    assert [alike(rank, tmp_path / "after") for rank in after] == [alike(rank, tmp_path / "before") for rank in before]
    assert all(rank["known"] for rank in after)


def test_runs_side_by_side(servers: ForkServers, tmp_path: Path) -> None:
    """Cases that are launched at once from one server each get their own ranks."""
    forks = at(servers)
    verdicts: dict[str, Verdict] = {}

    def judge(deed: str) -> None:
        verdicts[deed] = launched(tmp_path / deed, deed, forks)

    threads = [threading.Thread(target=judge, args=(deed,)) for deed in ("nothing", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts["nothing"].outcome is Outcome.SUCCESS
    assert [rank.exit_code for rank in verdicts["3"].ranks] == [3, 3]
    ranks = [*told(tmp_path / "nothing"), *told(tmp_path / "3")]
    assert all(rank["known"] for rank in ranks)
    assert len({rank["process"] for rank in ranks}) == 2 * RANKS


def test_another_environment_is_a_start_of_its_own(servers: ForkServers, tmp_path: Path) -> None:
    """A variable that may have been read while the server imported makes each rank a process of its own start."""
    launched(tmp_path / "case", "nothing", at(servers), OMP_NUM_THREADS="2", LOCKSTEP_ANY="1")
    assert [(rank["known"], rank["environment"]["OMP_NUM_THREADS"]) for rank in told(tmp_path / "case")] == [
        (False, "2")
    ] * 2
    launched(tmp_path / "other", "nothing", at(servers), LOCKSTEP_ANY="1")
    assert [rank["known"] for rank in told(tmp_path / "other")] == [True, True]


def test_a_server_with_threads_forks_nothing(servers: ForkServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what was imported has started a thread each rank starts by itself, and its supervisor says why."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    verdict = launched(tmp_path / "case", "nothing", at(servers, "tests.supervisor.threaded"))
    assert verdict.outcome is Outcome.SUCCESS
    assert log(tmp_path / "case").count(f"{NOT_FORKED}the fork server has 2 threads") == RANKS


def test_a_module_that_is_not_there(servers: ForkServers, tmp_path: Path) -> None:
    """A server that cannot import what it should costs nothing but its time."""
    verdict = launched(tmp_path / "case", "nothing", at(servers, "tests.supervisor.nowhere"))
    assert verdict.outcome is Outcome.SUCCESS
    assert [rank["known"] for rank in told(tmp_path / "case")] == [False] * RANKS


def waiting(folder: Path, servers: ForkServers, found: list[Verdict]) -> threading.Thread:
    """A case whose ranks wait for a file."""
    dog = session(folder, "wait", at(servers))
    judge = threading.Thread(target=lambda: found.append(dog.watch()))
    judge.start()
    assert wait_until(dog.state.registry.complete, 30.0)
    assert wait_until(lambda: all((folder / f"rank-{rank}.json").exists() for rank in range(RANKS)), 30.0)
    assert wait_until(lambda: len(told_safely(folder)) == RANKS, 10.0)
    return judge


def told_safely(folder: Path) -> list[dict[str, Any]]:
    """As `told`, while it is being written."""
    try:
        return told(folder)
    except ValueError:
        return []


def test_the_server_may_be_killed(servers: ForkServers, tmp_path: Path) -> None:
    """kill -9 of the server costs no case that runs, and the next one starts by itself."""
    found: list[Verdict] = []
    judge = waiting(tmp_path / "case", servers, found)
    (server,) = {proc.Stat.of(rank["parent"]).parent for rank in told(tmp_path / "case")}
    assert "fork_server" in command_line(server)
    os.kill(server, signal.SIGKILL)
    (tmp_path / "case" / "go").touch()
    judge.join()
    assert found[0].outcome is Outcome.SUCCESS, found[0].text
    assert launched(tmp_path / "next", "nothing", at(servers)).outcome is Outcome.SUCCESS
    assert [rank["known"] for rank in told(tmp_path / "next")] == [False, False]


@pytest.mark.parametrize("victim", ["supervisor", "client"])
def test_no_rank_outlives_its_supervisor(victim: str, servers: ForkServers, tmp_path: Path) -> None:
    """kill -9 of a supervisor, or of what the launcher has started in its place, ends both and the rank: a lost node."""
    found: list[Verdict] = []
    judge = waiting(tmp_path / "case", servers, found)
    rank = told(tmp_path / "case")[0]
    supervisor = rank["parent"]
    clients = [pid for pid in below("fork_client") if "launch.local" not in command_line(pid)]
    first = next(pid for pid in clients if proc.has_variable(pid, "LOCKSTEP_INDEX", rank["shown rank"]))
    os.kill(supervisor if victim == "supervisor" else first, signal.SIGKILL)
    assert wait_until(lambda: all(proc.is_zombie(pid) for pid in (rank["process"], supervisor, first)), 10.0)
    judge.join()
    assert (found[0].outcome.value, found[0].cause.value) == ("invalid", "node-lost")


HEAD = """
from lockstep.harness.launch.fork_servers import ForkServerProcess, ForkServers
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.launch.rank_map import RankMap
print(ForkServers().address(("numpy.random",), NoMpi(), RankMap.on_this_host(1)), flush=True)
input()
"""


def test_a_server_ends_with_its_head() -> None:
    """kill -9 of the process that has started it ends the server, and its folder goes."""
    with subprocess.Popen([sys.executable, "-c", HEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout is not None
        address = Path(head.stdout.readline().strip())
        assert address.is_socket()
        (server,) = below("supervisor.fork_server")
        head.kill()
    assert wait_until(lambda: proc.is_zombie(server), 30.0)
    assert not address.parent.exists()


def test_a_hang_in_forked_ranks(servers: ForkServers, tmp_path: Path) -> None:
    """Under MPI the verdict on a hang, its line and its stacks are those of ranks that start by themselves."""
    argv = [sys.executable, "-m", "tests.watchdog.ranks", "deadlock"]
    verdicts, stacks = [], []
    for name, server in (("fresh", ""), ("forked", at(servers))):
        folder = tmp_path / name
        folder.mkdir()
        verdicts.append(CaseSession(EngineTarget(case("deadlock", RANKS), argv, fork_server=server), find(), folder).watch())
        dumps = [path.read_text() for path in sorted((folder / "stacks").iterdir())]
        stacks.append([[line for line in text.splitlines() if line.startswith("    ")] for text in dumps])
        assert NOT_FORKED not in log(folder)
    fresh, forked = verdicts
    assert (forked.outcome, forked.cause, forked.proved, forked.text) == (fresh.outcome, fresh.cause, True, fresh.text)
    assert forked.signature == fresh.signature
    assert stacks[0] == stacks[1]
    assert all(stacks[1])


def test_a_stack_begins_with_the_program() -> None:
    """What lies below a forked rank's program is left out, of its own thread only."""
    below = ["    run (/x/harness/supervisor/forked_rank.py:150)", "    <module> (/x/harness/supervisor/fork_server.py:1)"]
    above = ["Process 1: python", "", 'Thread 1 (idle): "MainThread"', "    <module> (/x/a.py:3)"]
    other = ['Thread 2 (idle): "other"', "    wait (/x/b.py:1)"]
    assert as_started("\n".join([*above, *below, *other])) == "\n".join([*above, *other])
    assert as_started("\n".join([*above, *other])) == "\n".join([*above, *other])


def test_which_command_lines_can_be_forked() -> None:
    """A file or a module of Python with arguments; nothing that says more than that."""
    assert program_of(["python", "-m", "a.b", "-x"]) == (False, "-m a.b", ("-x",))
    assert program_of(["python", "-P", "-m", "a"]) == (True, "-m a", ())
    assert program_of(["python", "a.py", "1", "2"]) == (False, "a.py", ("1", "2"))
    assert program_of(["python", "-c", "pass"]) is None
    assert program_of(["python", "-X", "dev", "a.py"]) is None
    assert program_of(["python", "-m"]) is None
    assert program_of(["python"]) is None


def test_a_head_killed_while_the_server_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose head was killed before it was ready removes its folder as it ends, and what it has made in it."""
    monkeypatch.setattr("lockstep.harness.launch.fork_servers.short_folder", lambda: str(tmp_path))
    (tmp_path / "code").mkdir()
    program = "import select, sys, tempfile\nselect.select([int(sys.argv[2])], [], [])\ntempfile.mkdtemp()\n"
    (tmp_path / "code" / "imports_long.py").write_text(program)  # it imports until its head has gone
    server = ForkServerProcess(["imports_long"], {**os.environ, "PYTHONPATH": str(tmp_path / "code")})
    os.close(server._said)
    os.close(server._life)
    assert server._process.wait(60) == 0
    assert not list(tmp_path.glob("lockstep-forks-*"))
