"""Compiled MPI programs, unmodified, under the native recorder."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.launch.prrte import ROOT_MAY
from lockstep.harness.native.build import HERE as SOURCES
from lockstep.harness.native.build import build, compile_into
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.attach.launch import watch
from tests.native.recorder import BIN, compiled, library, recorded


@pytest.fixture(autouse=True)
def natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPI is recorded in C."""
    library()
    monkeypatch.setenv(NATIVE, "1")


def test_it_is_compiled_without_a_warning(tmp_path: Path) -> None:
    """What a compiler doubts is mended."""
    assert compile_into(["cc"], tmp_path / "recorder.so", ("-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type")) == ""
    assert list(SOURCES.glob("wrappers.c")) == []  # what is generated is never kept beside what is written


def test_functions_that_an_mpi_lacks_are_not_made_up() -> None:
    """A program takes a function that is there for one of its MPI's: without large counts there is none of them."""
    found = [build(large) for large in (True, False)]
    names = [ctypes.CDLL(str(one.library)) for one in found]
    assert [hasattr(one, "MPI_Send_c") for one in names] == [True, False]
    assert all(hasattr(one, "MPI_Send") for one in names)


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        (["both_receive"], Cause.DEADLOCK),
        (["both_receive", "25000"], Cause.DEADLOCK),  # most of its events are never read
        (["ends_early"], Cause.ORPHANED),
        (["differ"], Cause.DEADLOCK),
        (["waitany"], Cause.DEADLOCK),
        (["second_of_two"], Cause.DEADLOCK),
        (["split"], Cause.DEADLOCK),
    ],
)
def test_a_hang_is_proved(way: list[str], cause: Cause, tmp_path: Path) -> None:
    """It is proved, and its waits stand at lines of the program."""
    verdict = watch([compiled("ways.c", tmp_path), *way], 2, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, cause, True), verdict.text
    assert all("ways.c:" in line.site for line in verdict.knot)
    assert FindingKind.NOT_VISIBLE not in [finding.kind for finding in verdict.findings]


def test_a_rank_that_returned_from_another_operation_is_a_mismatch(tmp_path: Path) -> None:
    """The others wait in what it has entered as something else: that is told without a deadline."""
    verdict = watch([compiled("ways.c", tmp_path), "differ_and_return"], 2, tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.HANG, Cause.MISMATCH), verdict.text
    assert "gather" in verdict.text
    assert "barrier" in verdict.text


@pytest.mark.skipif((BIN / "ompi_info").exists(), reason="which of its collectives never pair is not measured of Open MPI")
def test_a_prefix_against_another_operation_is_proved(tmp_path: Path) -> None:
    """The first rank of it needs nobody by MPI's promise, and still never comes out: that is measured of this library."""
    verdict = watch([compiled("ways.c", tmp_path), "prefix"], 2, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.MISMATCH, True), verdict.text


@pytest.mark.parametrize("way", ["clean", "late_thread"])
def test_what_ends_is_no_hang(way: str, tmp_path: Path) -> None:
    """A thread that has not communicated yet may still do so: nothing is proved while it is asleep."""
    verdict = watch([compiled("ways.c", tmp_path), way], 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text


@pytest.mark.parametrize("way", ["copy", "end"])
def test_functions_of_attributes_may_do_anything(way: str, tmp_path: Path) -> None:
    """Who copies a communicator, or ends MPI, runs them there, and is in no wait."""
    verdict = watch([compiled("callbacks.c", tmp_path), way], 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert [end.status for end in verdict.ranks] == ["returned", "returned"]


def test_functions_of_attributes_of_python(tmp_path: Path) -> None:
    """They make the rank opaque: it runs Python code where a thread is believed in the library alone."""
    (tmp_path / "mine.py").write_text(
        "import time\nfrom mpi4py import MPI\nworld = MPI.COMM_WORLD\n"
        "def late(*_):\n    time.sleep(7)\n    world.send(1, 0)\n"
        "if world.rank:\n    MPI.COMM_SELF.Set_attr(MPI.Comm.Create_keyval(delete_fn=late), 1)\n"
        "else:\n    world.recv(source=1)\nMPI.Finalize()\n"
    )
    verdict = watch([sys.executable, str(tmp_path / "mine.py")], 2, tmp_path)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text


def test_who_waits_elsewhere_is_to_blame_and_not_who_returned(tmp_path: Path) -> None:
    """A rank that was done, and ended in order, is waited for too; the one that came to something else left the path."""
    (tmp_path / "mine.py").write_text(
        "from mpi4py import MPI\nimport numpy\nworld = MPI.COMM_WORLD\nline = world.Create_cart([3], [False])\n"
        "if world.rank != 2:\n    line.Neighbor_allgather(numpy.zeros(1), numpy.zeros(2))\nelse:\n    world.Barrier()\n"
    )
    verdict = watch([sys.executable, str(tmp_path / "mine.py")], 3, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.ORPHANED, True), verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (2,), verdict.text


def test_python_and_c_are_one_graph(tmp_path: Path) -> None:
    """A rank of Python and one of C on one communicator wait for each other: one proof, with lines of both."""
    program = compiled("ways.c", tmp_path)
    (tmp_path / "mine.py").write_text(
        "from mpi4py import MPI\nworld = MPI.COMM_WORLD\nhere, there = bytearray(4), bytearray(4)\n"
        "for _ in range(10):\n    world.Allreduce([here, MPI.INT], [there, MPI.INT])\nworld.Recv([here, MPI.INT], 1)\n"
    )
    script = tmp_path / "either.sh"
    script.write_text(
        f'[ "${{PMI_RANK:-$OMPI_COMM_WORLD_RANK}}" = 0 ] && exec {sys.executable} {tmp_path}/mine.py\n'
        f"exec {program} both_receive\n"
    )
    verdict = watch(["sh", str(script)], 2, tmp_path)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True), verdict.text
    assert sorted(Path(line.site.partition(":")[0]).name for line in verdict.knot) == ["mine.py", "ways.c"]


@pytest.mark.parametrize(("way", "outcome"), [("hangs", Outcome.HANG), ("is_late", Outcome.SUCCESS)])
def test_the_end_of_mpi_is_a_wait_for_all(way: str, outcome: Outcome, tmp_path: Path) -> None:
    """A rank of Python that calls MPI.Finalize waits for a peer that waits for it; or for one that is only late."""
    (tmp_path / "ends.py").write_text(
        "import sys, time\nfrom mpi4py import MPI\nworld = MPI.COMM_WORLD\nworld.Barrier()\n"
        "if world.rank == 1 and sys.argv[1] == 'hangs':\n    world.recv(source=0)\n"
        "if world.rank == 1:\n    time.sleep(1.5)\nMPI.Finalize()\n"
    )
    verdict = watch([sys.executable, str(tmp_path / "ends.py"), way], 2, tmp_path)
    assert verdict.outcome is outcome, verdict.text
    if outcome is Outcome.HANG:
        assert (verdict.cause, verdict.proved) == (Cause.DEADLOCK, True), verdict.text
        assert "world's end finalize" in verdict.text


def test_eight_threads_under_address_sanitizer(tmp_path: Path) -> None:
    """Eight threads at once use requests of all kinds: no memory is touched that may not be, and all of it ends."""
    sanitizer = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    target = tmp_path / "recorder.so"
    if not Path(sanitizer).is_absolute() or compile_into(["cc"], target, ("-fsanitize=address,undefined",)):
        pytest.skip("there is no address sanitizer")
    program = compiled("threads.c", tmp_path, "-fsanitize=address")
    code, came = recorded(
        [str(BIN / "mpiexec"), "-n", "2", program, "3"], tmp_path,
        LD_PRELOAD=f"{sanitizer} {target}", ASAN_OPTIONS="detect_leaks=0", **ROOT_MAY,
    )  # fmt: skip
    assert code == 0
    assert len(came) == 2
    assert all(one.ring.written()[1] > 400 for one in came)
    for one in came:
        one.line.close()
        one.ring.close()
