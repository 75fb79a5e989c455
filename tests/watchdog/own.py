"""What the processes that a test has started leave, and nobody else's."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from lockstep.harness.host import launcher_files, proc, shared_memory
from lockstep.harness.host.polling import wait_until

MARK = "LOCKSTEP_TEST_MARK"


class Own:
    """What a test's own processes are and make: others may run on this host meanwhile. A context manager: it looks all the
    time, at those that carry `mark`."""

    def __init__(self, mark: str, folder: Path) -> None:
        self._mark, self._folder = mark, folder  # for temporary files
        self._made: set[str] = set()  # in /dev/shm, and by launchers in /tmp
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Own:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for pid in self.processes():
                self._made |= shared_memory.mapped_by(pid) | launcher_files.made_by(pid)

    def processes(self) -> list[int]:
        """All but the tests themselves."""
        return [pid for pid in proc.with_variable(MARK, self._mark) if pid != os.getpid()]

    def left(self) -> list[str]:
        """What is there: processes, folders of ours, files of MPI."""
        folders = [str(path) for path in self._folder.glob("lockstep-*")]
        files = [path for path in set(self._made) if Path(path).exists()]
        return [f"process {pid}" for pid in self.processes()] + folders + files

    def made(self, beginning: str) -> set[str]:
        """Files that were seen."""
        return {path for path in set(self._made) if path.startswith(beginning)}

    def nothing_left(self) -> bool:
        """Whether soon nothing is left."""
        return wait_until(lambda: not self.left(), 30.0, step_s=0.2)
