"""Files that users name are read up to a bound, whatever they are."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lockstep.harness.placement.hosts import load_hosts
from lockstep.harness.scenario.document import read
from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.input_file import LARGEST, read_text


def refusal(path: Path) -> str:
    """What is said of a file that cannot be read."""
    with pytest.raises(FileErrors) as caught:
        read_text(path)
    assert [str(problem) for problem in read(path).problems] == [str(caught.value)]
    return str(caught.value)


def test_a_device_is_not_read() -> None:
    """One that never ends costs nothing, for scenarios, configs, waives and host files alike."""
    assert (
        refusal(Path("/dev/zero")) == "/dev/zero:1:1: cannot be read: this is a device or a socket; give a file, or a pipe"
    )
    with pytest.raises(FileErrors, match="this is a device"):
        load_hosts("/dev/zero")


def test_no_more_than_the_bound(tmp_path: Path) -> None:
    """A file of the bound's size is read, one of a byte more is not, however large it is."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b" " * LARGEST)
    assert len(read_text(path)) == LARGEST
    for size in (LARGEST + 1, 1 << 40):
        os.truncate(path, size)
        assert refusal(path) == f"{path}:1:1: cannot be read: it is larger than 1 MiB; give a smaller file"


@pytest.mark.parametrize("name", ["none.yaml", "", "x" * 300, "a\0b"])
def test_a_name_of_no_file(name: str, tmp_path: Path) -> None:
    """What to do is said, without a number of an error."""
    said = refusal(tmp_path / name)
    assert "Errno" not in said
    assert "; give the name of a file" in said


def test_a_pipe(tmp_path: Path) -> None:
    """What a shell makes of `<(command)` is read to its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("192.0.2.1:4\n192.0.2.2:4\n",), daemon=True)
    writer.start()
    hosts = load_hosts(str(path))
    writer.join()
    assert [(host.name, host.slots) for host in hosts] == [("192.0.2.1", 4), ("192.0.2.2", 4)]


def test_a_list_of_hosts_that_is_longer_than_a_name() -> None:
    """It is no file."""
    assert len(load_hosts(",".join(f"192.0.2.{number}:8" for number in range(1, 41)))) == 40
