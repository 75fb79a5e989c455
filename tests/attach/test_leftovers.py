"""What real mpi4py programs leave undone when they succeed: told as findings, with lines, and never red."""

from __future__ import annotations

from pathlib import Path

from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import python, watch

PROGRAM = Path(__file__).parent / "leaving_mpi.py"


def place(mark: str) -> str:
    """The last line of the program with this mark."""
    lines = PROGRAM.read_text().splitlines()
    return f"leaving_mpi.py:{max(number for number, text in enumerate(lines, 1) if mark in text)} in untidy"


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """Each request, message and communicator once, at the line that made it, for all ranks alike."""
    verdict = watch(python("leaving_mpi.py", "untidy"), 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    send, receive, split = f"begun at {place('1, 6')},", f"begun at {place('tag=8')},", f"made at {place('Split')},"
    sent = f"sent at {place('1, 7')},"
    assert {
        (one.kind.value, one.text.replace(f"{PROGRAM.parent}/", "").replace("tests/attach/", "")) for one in verdict.findings
    } == {
        ("unwaited-request", f"the isend to rank 1 of tag 6 on mpi world, {send} was never waited for by rank 0"),
        ("unwaited-request", f"the irecv from rank 0 of tag 8 on mpi world, {receive} was never waited for by rank 1"),
        ("unreceived-message", f"2 messages of tag 7 from rank 0 to rank 1 on mpi world, {sent} were never received"),
        ("unfreed-communicator", f"mpi world.split2, {split} was never freed by ranks 0-1"),
    }


def test_nothing_is_told_of_a_tidy_program(tmp_path: Path) -> None:
    """Freed, tested, cancelled and inactive requests, messages taken by probes and wildcards, predefined communicators."""
    verdict = watch(python("leaving_mpi.py", "tidy"), 2, tmp_path)
    assert (verdict.outcome, [finding.text for finding in verdict.findings]) == (Outcome.SUCCESS, []), verdict.text
