"""Real programs in which ranks part without a word, unmodified: each is told what it is, who left, and at which lines.

None of them has a deadline to wait for, but the one whose rank waits in no operation that is known.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, Outcome
from tests.attach.launch import HERE, python, watch

TORCH, MPI = "differing_torch.py", "differing_mpi.py"
ENOUGH_S = 600.0  # nothing of what is tested here waits for it


def site(program: str, mark: str) -> str:
    """The marked line of a program, as texts name it."""
    lines = (HERE / program).read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if line.endswith(f"  # {mark}"))
    return f"{program}:{number} in "


def check(
    verdict: Verdict, program: str, cause: Cause, proved: bool | None, blame: tuple[int, ...], marks: tuple[str, ...]
) -> None:
    """The whole answer. `proved`: None where threads of the library may keep it from being proved."""
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, cause), verdict.text
    assert proved is None or verdict.proved is proved, verdict.text
    assert verdict.blame is not None, verdict.text
    assert verdict.blame.ranks == blame, verdict.text
    for mark in marks:
        assert site(program, mark) in verdict.text, verdict.text


@pytest.mark.parametrize(
    ("program", "ranks", "cause", "blame", "marks"),
    [
        ("skipped_sample", 2, Cause.MISMATCH, (1,), ("forward", "total")),
        ("dropped_batch", 2, Cause.MISMATCH, (1,), ("backward", "barrier")),
        ("unused_branch", 2, Cause.MISMATCH, (1,), ("bucket", "epoch")),
        ("checkpoint_exists", 2, Cause.MISMATCH, (1,), ("objects", "resumed")),
        ("weights_of_one", 2, Cause.MISMATCH, (1,), ("full", "pushed")),
        ("other_mesh", 4, Cause.DEADLOCK, (3,), ("mesh", "built")),
        ("other_pair", 4, Cause.DEADLOCK, (3,), ("pair", "all")),
        ("local_names", 3, Cause.DEADLOCK, (1, 2), ("named",)),
        ("compiled", 2, Cause.DEADLOCK, (1,), ("step",)),
    ],
)
def test_torch(
    program: str, ranks: int, cause: Cause, blame: tuple[int, ...], marks: tuple[str, ...], tmp_path: Path
) -> None:
    """Over gloo of a version that was measured they are proved; who left is to blame, whoever noticed."""
    verdict = watch(python(TORCH, program), ranks, tmp_path, ENOUGH_S)
    # After a backward pass of FSDP torch has threads of which it cannot be seen that they do nothing in Python.
    check(verdict, TORCH, cause, None if program == "skipped_sample" else True, blame, marks)
    if program == "local_names":
        assert "The group of ranks 1-2 is made at" in verdict.text
        assert "waits in gloo group of ranks 1-2 new_group" in verdict.text


@pytest.mark.parametrize(
    ("program", "ranks", "cause", "proved", "blame", "marks"),
    [
        ("save_on_one", 3, Cause.MISMATCH, False, (0,), ("save", "losses")),  # not measured with three ranks
        ("other_order", 2, Cause.MISMATCH, True, (0,), ("barrier first", "sum first")),
        ("other_roots", 2, Cause.MISMATCH, True, (0, 1), ("root",)),
        ("not_blocking", 2, Cause.MISMATCH, True, (0,), ("blocking", "non-blocking")),
        ("sends_first", 2, Cause.DEADLOCK, False, (0, 1), ("sent",)),
        ("wrong_tag", 2, Cause.DEADLOCK, True, (1,), ("wants", "lies")),
        ("waits_for_itself", 2, Cause.DEADLOCK, True, (0,), ("itself",)),
    ],
)
def test_mpi(
    program: str, ranks: int, cause: Cause, proved: bool, blame: tuple[int, ...], marks: tuple[str, ...], tmp_path: Path
) -> None:
    """Under MPI what was not measured ends by rule, with the same answer; messages are told with their tags."""
    verdict = watch(python(MPI, program), ranks, tmp_path, ENOUGH_S)
    check(verdict, MPI, cause, proved, blame, marks)
    if program == "wrong_tag":
        assert "of tag 8" in verdict.text
        assert "a message of tag 7 from rank 0 to rank 1" in verdict.text


def test_torch_sends_that_nobody_receives(tmp_path: Path) -> None:
    """Point-to-point operations of gloo that meet are told with both lines, as no proof."""
    verdict = watch(python(TORCH, "sends_first"), 2, tmp_path, ENOUGH_S)
    check(verdict, TORCH, Cause.DEADLOCK, False, (0, 1), ("sent",))


@pytest.mark.parametrize(
    ("program", "cause", "blame", "marks"),
    [
        ("limited", Cause.DEADLOCK, (1,), ("received", "before")),
        ("limited_difference", Cause.MISMATCH, (1,), ("reduced", "met")),
    ],
)
def test_a_hang_that_a_library_ends_later_is_told_now(
    program: str, cause: Cause, blame: tuple[int, ...], marks: tuple[str, ...], tmp_path: Path
) -> None:
    """It is no proof, since it does not last for ever, and says how long it would."""
    verdict = watch(python(TORCH, program), 2, tmp_path, ENOUGH_S)
    check(verdict, TORCH, cause, False, blame, marks)
    assert verdict.text.startswith(f"A {cause.value} until the library's limit of 300 s."), verdict.text
    if program == "limited":
        assert [(line.rank, line.lacks, line.limit_s) for line in verdict.knot] == [(0, (1,), 300), (1, (0,), 300)]


def test_who_leaves_early_is_to_blame(tmp_path: Path) -> None:
    """A rank that returned before its victim raised over a closed socket is to blame, and the victim's line is told."""
    verdict = watch(python(TORCH, "leaves_early"), 2, tmp_path, ENOUGH_S)
    assert verdict.outcome is Outcome.RAISE, verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (1,), verdict.text
    assert site(TORCH, "batch") in verdict.text, verdict.text
    assert "GLHF" not in verdict.text


def test_a_key_that_is_set_too_late(tmp_path: Path) -> None:
    """A wait for a key of a store, which is set after a barrier for who waits, is one knot with that, and has its line.

    It ends by rule: others could set a key.
    """
    verdict = watch(python(TORCH, "waits_for_key"), 2, tmp_path, deadline_s=100.0)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, False), verdict.text
    assert site(TORCH, "key") in verdict.text, verdict.text
    assert site(TORCH, "after") in verdict.text, verdict.text
