"""Dumps that PyTorch writes, of hangs and of a job that does not hang: `lockstep diagnose` as its users type it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("flight_program.py")
LINES = PROGRAM.read_text().splitlines()
LOCKSTEP = Path(sys.executable).with_name("lockstep")


def line_of(text: str) -> int:
    """The line of the program on which a call stands."""
    (found,) = [number for number, line in enumerate(LINES, 1) if line.strip().startswith(text)]
    return found


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of dumps of each mode."""
    found: dict[str, Path] = {}
    for mode in ("skip", "ring", "healthy", "peers"):
        folder = found[mode] = tmp_path_factory.mktemp(mode)
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4", str(PROGRAM), str(folder), mode]
        env = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *launch], env=env, capture_output=True, text=True, timeout=100, check=False)
        assert len(list(folder.glob("*.pickle"))) == 4, done.stderr
    return found


def diagnose(*paths: Path) -> tuple[int, dict[str, object], str]:
    """Exit code, JSON, and what is said."""
    words = [str(LOCKSTEP), "diagnose", "--json", *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", ["skip", "ring"])
def test_who_left_a_collective_out(mode: str, dumps: dict[str, Path]) -> None:
    """Ranks stand in different operations of one number: who parted is named, with both lines."""
    code, found, said = diagnose(dumps[mode])
    assert (code, found["found"], found["blame"]) == (1, "hang", [2])
    assert f"{PROGRAM}:{line_of('dist.all_gather(')}" in said
    assert f"{PROGRAM}:{line_of('dist.barrier(')}" in said


def test_culprit_gave_no_dump(dumps: dict[str, Path], tmp_path: Path) -> None:
    """Ranks that stand in an unfinished collective wait for who gave no dump: never "nothing found", never exit code 0."""
    for rank in (0, 1, 3):
        (file,) = dumps["skip"].glob(f"rank{rank}_*")
        shutil.copy(file, tmp_path)
    code, found, said = diagnose(tmp_path)
    assert (code, found["found"], found["blame"], found["absent"]) == (1, "waiting", [2], [2])
    place = f"{PROGRAM}:{line_of('dist.all_gather(')}"
    assert "Ranks 0-1,3 wait in gloo:all_gather #6 of default_pg" in said
    assert place in said
    assert "for rank 2, which gave no dump" in said


def test_ring_that_has_forgotten(dumps: dict[str, Path]) -> None:
    """Ranks whose ring no longer holds what they did are not behind: `pg_status` says how far they came."""
    code, found, said = diagnose(dumps["healthy"])
    assert (code, found["found"], found["blame"]) == (0, "nothing found", [])
    assert "nothing points to a hang" in said


def test_gloo_records_no_peers(dumps: dict[str, Path]) -> None:
    """Ranks that wait for ranks in a receive: who waits is said, and that gloo does not tell of receives."""
    code, found, said = diagnose(dumps["peers"])
    assert (code, found["found"], found["blame"]) == (1, "waiting", [0, 1])
    assert "gloo records no point-to-point operation" in said
    assert f"{PROGRAM}:{line_of('dist.barrier(')}" in said


def test_own_analyzer_gives_up(dumps: dict[str, Path], tmp_path: Path) -> None:
    """PyTorch's own analyzer ends in a traceback on these dumps: the reason why they are judged here."""
    for file in dumps["skip"].iterdir():
        shutil.copy(file, tmp_path / f"nccl_trace_rank_{file.name[4]}")
    words = [sys.executable, "-m", "torch.distributed.flight_recorder.fr_trace", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "KeyError" in done.stderr
    assert diagnose(tmp_path)[0] == 1
