"""A rank that ends the job is ended with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from lockstep.engines.minimal.comm.mpi import MPI, MpiCommunicator

pytestmark = pytest.mark.slow  # starts processes, or torch
MPI.Init_thread()
world = MpiCommunicator(None, MPI.COMM_WORLD, None)
MPI.COMM_WORLD.Barrier()
world.abort(7)
Path(sys.argv[1], f"back-{world.rank}").touch()
"""


def test_abort_never_comes_back(tmp_path: Path) -> None:
    """Ranks that all abort at once do nothing after it, whatever the launcher's pace: MPI_Abort itself may return."""
    beside = Path(sys.executable).parent
    mpiexec = shutil.which("mpiexec", path=str(beside)) or shutil.which("mpiexec")
    assert mpiexec
    for _ in range(3):
        done = subprocess.run(
            [mpiexec, "-n", "2", sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, timeout=60, check=False
        )
        assert done.returncode != 0
    assert not list(tmp_path.iterdir())
