"""Folders that supervisors of one host share: who makes them, who empties them, who removes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockstep.harness.host.shared_folder import HELD, STALE_S, NodeFolder, remove_stale, state_name

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


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of ours with something precious in it."""
    folder = tmp_path / "victim"
    folder.mkdir(mode=0o700)
    (folder / "thesis.txt").write_text("precious")
    (folder / HELD).touch()
    return folder


def test_a_link_is_refused(victim: Path, tmp_path: Path) -> None:
    """Somebody has put a link where the folder would be: nothing that it leads to is touched, here or by a clean-up."""
    link = tmp_path / "lockstep-state-1"
    link.symlink_to(victim)
    with pytest.raises(OSError, match="lockstep-state-1"):
        NodeFolder(link)
    old = time.time() - STALE_S - 1
    os.utime(victim, (old, old))
    remove_stale(tmp_path)
    assert (victim / "thesis.txt").read_text() == "precious"


def test_a_link_inside_is_refused(victim: Path, tmp_path: Path) -> None:
    """So is one in the place of a file that we keep in the folder."""
    folder = tmp_path / "lockstep-a"
    folder.mkdir(mode=0o700)
    (folder / HELD).symlink_to(victim / "thesis.txt")
    with pytest.raises(OSError, match="symbolic link"):
        NodeFolder(folder)
    assert (victim / "thesis.txt").read_text() == "precious"


def test_a_name_that_leads_elsewhere_meanwhile(victim: Path, tmp_path: Path) -> None:
    """What is emptied is the folder that was looked at, whatever its name leads to by then."""
    folder = NodeFolder(tmp_path / "lockstep-a")
    (folder.path / "old").touch()
    folder.path.rename(tmp_path / "moved")
    folder.path.symlink_to(victim)
    folder.begin("run 1")
    assert (victim / "thesis.txt").exists()
    assert not (tmp_path / "moved" / "old").exists()
    folder.leave()
    assert (victim / "thesis.txt").exists()


def test_a_folder_that_others_may_write_to(tmp_path: Path) -> None:
    """One that is open to others is not joined, and what to do is said; nor is one of another user."""
    path = tmp_path / "lockstep-a"
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write to it; remove it, or set TMPDIR"):
        NodeFolder(path)
    if os.geteuid() == 0:
        path.chmod(0o700)
        os.chown(path, 65534, 65534)
        with pytest.raises(PermissionError, match="it belongs to another user"):
            NodeFolder(path)


def test_nobody_knows_a_name_before(tmp_path: Path) -> None:
    """The name of what stays between launches depends on a secret of the watchdog, and on the case alone beside it."""
    assert state_name("a", "/reports/x") == state_name("a", "/reports/x")
    assert len({state_name("a", "/reports/x"), state_name("b", "/reports/x"), state_name("a", "/reports/y")}) == 3
