"""Folders that supervisors of one host share: who makes them, who empties them, who removes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from lockstep.harness.host.shared_folder import STALE_S, NodeFolder, remove_stale

HOLDS = "import sys, time; from pathlib import Path; from lockstep.harness.host.shared_folder import NodeFolder\n"
HOLDS += "folder = NodeFolder(Path(sys.argv[1])); print('held', flush=True); time.sleep(600)"


def test_the_last_one_removes_it(tmp_path: Path) -> None:
    """As long as one supervisor is in it, it stays."""
    one, other = NodeFolder(tmp_path / "lockstep-a"), NodeFolder(tmp_path / "lockstep-a")
    one.leave()
    assert other.path.is_dir()
    other.leave()
    other.leave()
    assert not other.path.exists()


def test_a_killed_supervisor_holds_nothing(tmp_path: Path) -> None:
    """kill -9 of one that was in it: the next one that leaves removes it."""
    mine = NodeFolder(tmp_path / "lockstep-a")
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(mine.path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    process.kill()
    process.communicate()
    mine.leave()
    assert not mine.path.exists()


def test_what_is_kept_stays_until_it_is_stale(tmp_path: Path) -> None:
    """Between two launches nobody is in it; long after that the next supervisor on the host removes it."""
    folder = NodeFolder(tmp_path / "lockstep-state-1")
    (folder.path / "cache").write_text("x")
    folder.leave(keep=True)
    remove_stale(tmp_path)
    assert (folder.path / "cache").exists()
    old = time.time() - STALE_S - 1
    os.utime(folder.path, (old, old))
    held = NodeFolder(tmp_path / "lockstep-held")
    os.utime(held.path, (old, old))
    (tmp_path / "lockstep-other").mkdir()  # of another kind: nobody can say that nobody needs it
    os.utime(tmp_path / "lockstep-other", (old, old))
    remove_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lockstep-held", "lockstep-other"]
    held.leave()


def test_a_new_owner_begins_with_an_empty_one(tmp_path: Path) -> None:
    """What another run has left is gone; what a neighbour of the same run has made is not."""
    first = NodeFolder(tmp_path / "lockstep-state-1")
    first.begin("run 1")
    (first.path / "old").mkdir()
    first.leave(keep=True)
    one, other = NodeFolder(first.path), NodeFolder(first.path)
    one.begin("run 2")
    (one.path / "new").touch()
    other.begin("run 2")
    assert (one.path / "new").exists()
    assert not (one.path / "old").exists()
    one.leave()
    other.leave()


def test_all_of_a_host_agree(tmp_path: Path) -> None:
    """A value that the first one makes is that of all."""
    one, other = NodeFolder(tmp_path / "lockstep-a"), NodeFolder(tmp_path / "lockstep-a")
    assert one.agreed("ras", lambda: "localhost:1") == other.agreed("ras", lambda: "localhost:2") == "localhost:1"
    one.leave()
    other.leave()
