"""Files that users name are read up to a bound, whatever they are."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lockstep.harness.placement.hosts import load_hosts
from lockstep.harness.scenario.document import read
from lockstep.harness.scenario.errors import FileErrors, ScenarioError
from lockstep.harness.scenario.input_file import LARGEST, read_text
from lockstep.harness.scenario.load import discover


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


def test_a_pipe_is_read_once_and_told_as_often_as_it_is_asked_for(tmp_path: Path) -> None:
    """`lockstep show <(command)` looks at its scenario several times; a pipe that a user names is a scenario like a file."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert discover([path]) == [path]
    writer = threading.Thread(target=path.write_text, args=("a: 1\n",), daemon=True)
    writer.start()
    assert [read(path).data for _ in range(3)] == [{"a": 1}] * 3
    writer.join()


def test_what_is_there_is_not_said_to_be_missing(tmp_path: Path) -> None:
    """A link to a device is told as one, not as a name of nothing."""
    link = tmp_path / "link"
    link.symlink_to("/dev/zero")
    assert discover([link]) == [link]
    assert "this is a device or a socket" in refusal(link)


def test_a_pipe_that_nobody_has_named(tmp_path: Path) -> None:
    """Whatever a file names is read only if it is a file, without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileErrors, match="this is a pipe; give a file"):
        read_text(tmp_path / "pipe", pipes=False)


def test_a_link_out_of_a_folder_of_scenarios(tmp_path: Path) -> None:
    """Who reads a folder of somebody else has not named the files outside of it; a link inside is fine."""
    (tmp_path / "outside.yaml").write_text("secret: 1\n")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.yaml").write_text("")
    (folder / "b.yaml").symlink_to("a.yaml")
    assert len(discover([folder])) == 2
    (folder / "c.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ScenarioError, match=r"c\.yaml: a link out of .*; name that file by itself, or copy it"):
        discover([folder])


@pytest.mark.parametrize(
    ("text", "value"),
    [("1:30:20", 5420), ("-1:30", -90), ("1:30.5", 90.5), ("017", 15), ("-0_17", -15), ("00", 0)],
)
def test_a_number_that_is_another_one_to_yaml(text: str, value: float, tmp_path: Path) -> None:
    """Sixties and octal digits, which nobody means, are refused with the number that they are; in quotes they are a text."""
    path = tmp_path / "a.yaml"
    path.write_text(f"a: 1\nb: {text}\n")
    (problem,) = read(path).problems
    assert (problem.line, problem.column, problem.advice) == (2, 4, f"write {value}, or quote it")
    assert f"{text} is the number {value} to YAML" in problem.what
    path.write_text(f"a: {value}\nb: '{text}'\n")
    assert read(path).data == {"a": value, "b": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("0.5", 0.5), ("1_000", 1000), ("0x1f", 31), ("0o17", "0o17"), ("on", True), ("1:90", "1:90")],
)
def test_other_words_are_what_yaml_takes_them_for(text: str, value: object, tmp_path: Path) -> None:
    """Underscores, hexadecimal digits and yes, no, on, off are as in every file of YAML 1.1."""
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n")
    assert read(path).data == {"a": value}
