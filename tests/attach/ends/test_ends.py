"""Every way in which a process can end: real programs under real launchers, and the right word for each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import watch

HERE = Path(__file__).parent
FOREVER_S = 1e6  # no deadline ends any of them
pytestmark = pytest.mark.timeout(400)  # some wait for half a minute of silence, beside whatever else this machine does


def judged(program: str, processes: int, folder: Path, *words: str) -> Verdict:
    """The verdict on a program of this folder, without a deadline."""
    folder.mkdir(exist_ok=True)
    return watch([sys.executable, str(HERE / program), *words], processes, folder, FOREVER_S)


@pytest.mark.parametrize(
    ("program", "processes", "words"),
    [
        ("mpi_program.py", 2, ["exit0"]),
        ("mpi_program.py", 2, ["exit0_before_finalize"]),
        ("mpi_program.py", 3, ["goes_on_alone"]),
        ("torch_program.py", 2, ["exit0"]),
        ("torch_program.py", 2, ["exec_again", "1"]),
        ("torch_program.py", 1, ["spawned_exit0"]),
    ],
)
def test_status_0_is_an_end_in_order(program: str, processes: int, words: list[str], tmp_path: Path) -> None:
    """Also where the interpreter is not asked, or the process becomes another program. Who goes on is never ended."""
    verdict = judged(program, processes, tmp_path, *words)
    if words == ["goes_on_alone"]:  # the first death is still the verdict, once all have ended
        assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.SIGNAL), verdict.text
        assert {end.rank: end.status for end in verdict.ranks} == {0: "returned", 1: "returned", 2: "dead"}
        return
    assert (verdict.outcome, verdict.cause) == (Outcome.SUCCESS, Cause.NONE), verdict.text
    assert len(verdict.ranks) == 2


def test_a_status_that_is_expected(tmp_path: Path) -> None:
    """Ranks that the command started, and with whose status it was content, are told and are no failure."""
    verdict = judged("torch_program.py", 1, tmp_path, "spawned_77")
    assert (verdict.outcome, verdict.cause) == (Outcome.SUCCESS, Cause.NONE), verdict.text
    assert "ranks 0-1 ended with status 77, which it accepted" in verdict.text


@pytest.mark.parametrize(
    ("program", "processes", "words", "provable", "blame", "said"),
    [
        ("mpi_program.py", 2, ["raise_before_init"], True, 1, "ended before it had joined: exit status 1"),
        ("mpi_program.py", 2, ["exit0_before_init"], True, 1, "ended before it had joined: exit status 0"),
        ("mpi_program.py", 2, ["killed_before_init"], True, 1, "ended before it had joined: SIGKILL"),
        ("torch_program.py", 2, ["one_too_few"], True, 2, "was never started"),
        ("torch_program.py", 2, ["another_port"], True, 1, "Ranks meet at different places: rank 0 at"),
        ("mpi_program.py", 2, ["killed_in_init", "MARK"], False, 1, "inside mpi world init #1"),
        ("mpi_program.py", 3, ["killed_in_allreduce"], False, 2, "inside mpi world allreduce"),
        ("mpi_program.py", 2, ["exit0_inside"], True, 1, "ended with status 0 inside mpi world"),
    ],
)
def test_who_is_missed(
    program: str, processes: int, words: list[str], provable: bool, blame: int, said: str, tmp_path: Path
) -> None:
    """A rank that its peers wait for is to blame, however it has left them; what is no proof is called none."""
    words = [str(tmp_path / "mark") if word == "MARK" else word for word in words]
    verdict = judged(program, processes, tmp_path / "case", *words)
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.ORPHANED), verdict.text
    assert provable or not verdict.proved  # whether a proof comes before patience ends the load of the machine decides
    assert verdict.blame is not None
    assert verdict.blame.ranks == (blame,), verdict.text
    assert said in verdict.text
    assert ("ImportError: no such module" in verdict.text) == (words == ["raise_before_init"])


@pytest.mark.parametrize(("signum", "cause"), [("SIGABRT", Cause.ABORT), ("SIGSEGV", Cause.SIGNAL)])
def test_a_death_when_all_others_have_ended(signum: str, cause: Cause, tmp_path: Path) -> None:
    """They wait for it in MPI_Finalize, of which no event tells: it is a crash all the same."""
    verdict = judged("mpi_program.py", 2, tmp_path, "killed_when_others_ended", signum)
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, cause), verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (0,)


def test_a_death_after_the_programs_end(tmp_path: Path) -> None:
    """A crash, of which is said that the program had ended."""
    verdict = judged("mpi_program.py", 2, tmp_path, "abort_after_the_end")
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.ABORT), verdict.text
    assert "died when its program had ended: SIGABRT" in verdict.text


def test_a_front_end_that_waits_for_the_dead(tmp_path: Path) -> None:
    """No rank is left, and a process that is none waits for ever: the first death is the verdict, with the line of both."""
    verdict = judged("torch_program.py", 1, tmp_path, "dead_worker")
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.SIGNAL), verdict.text
    assert verdict.text.startswith("Rank 1 died: SIGKILL. Rank 0 failed after it. Process ")
    assert "which is no rank, still stands at " in verdict.text
    assert "torch_program.py" in verdict.text


@pytest.mark.parametrize(("processes", "name"), [(1, "daemon"), (2, "fork_on")])
def test_what_is_left_behind_and_works_is_waited_for(processes: int, name: str, tmp_path: Path) -> None:
    """A daemon that does the work, and the child in which a rank goes on, come to their ends; it is said that they do."""
    (tmp_path / "files").mkdir()
    verdict = judged("torch_program.py", processes, tmp_path / "case", name, str(tmp_path / "files"))
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert len(list((tmp_path / "files").iterdir())) == processes
    said = "".join(path.read_text() for path in (tmp_path / "case").glob("*stderr*"))
    assert "the command has ended; what it left behind is waited for" in said


def test_what_is_left_behind_and_forgotten_is_told(tmp_path: Path) -> None:
    """What is not ours to wait for is ended, and never without a word."""
    verdict = watch(["sh", "-c", "sleep 1000 & exit 0"], 1, tmp_path, FOREVER_S)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert [finding.kind for finding in verdict.findings] == [FindingKind.LEAK]
    assert "sleep 1000" in verdict.findings[0].text


@pytest.mark.parametrize("after_s", ["0", "0.3"])
def test_a_launchers_daemon_that_is_killed_is_no_crash_of_the_program(after_s: str, tmp_path: Path) -> None:
    """The library of the ranks ends them when it is gone, with a status of its own; nothing of that is the program's."""
    verdict = judged("mpi_program.py", 2, tmp_path, "proxy_killed", after_s)
    assert (verdict.outcome, verdict.cause) == (Outcome.INVALID, Cause.NODE_LOST), verdict.text
