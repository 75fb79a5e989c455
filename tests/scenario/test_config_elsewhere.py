"""A scenario of somebody else may name any file as its config: none of its lines gets into what is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lockstep.harness.scenario.errors import FileErrors
from lockstep.harness.scenario.load import load, notes

SCENARIO = """\
name: sample
source: https://example.org
summary: A scenario of somebody else.
config_file: {path: PATH, product: vllm}
kv_capacity: {blocks: 96}
expect:
  - {outcome: success}
"""
PASSWORDS = "root:$6$hunter2:19000:0:99999:7:::\nme:$6$hunter2x:19000:0:99999:7:::\n"
CONFIG = "model: m\ntensor_parallel_size: 2\nhunter2: 1\nmax_num_seqs: [hunter2]\n"


def said(config: Path | str, folder: Path, old: str = "vllm}", new: str = "vllm}") -> str:
    """What is told of a scenario with this config."""
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO.replace("PATH", str(config)).replace(old, new))
    with pytest.raises(FileErrors) as caught:
        load(path)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the scenario; what lies beside it is outside."""
    (tmp_path / "scenarios").mkdir()
    return tmp_path / "scenarios"


@pytest.mark.parametrize("product", [", product: vllm}", "}"])
@pytest.mark.parametrize("link", [False, True])
def test_no_config_at_all(link: bool, product: str, folder: Path) -> None:
    """Of a file without one known key only their number is told, also by way of a link beside the scenario."""
    outside = folder.parent / "passwords"
    outside.write_text(PASSWORDS)
    (folder / "link.yaml").symlink_to(outside)
    text = said("link.yaml" if link else outside, folder, ", product: vllm}", product)
    assert "hunter2" not in text
    assert ": 1 mistake, in line 1; since it lies in no folder of the scenario or of yours" in text


def test_no_config_in_the_own_folder(folder: Path) -> None:
    """The same beside the scenario, with what to do: a file that was named by mistake."""
    (folder / "passwords").write_text(PASSWORDS)
    text = said("passwords", folder)
    assert "none of its 2 keys is one of vLLM" in text
    assert "hunter2" not in text


def test_mistakes_of_a_config_outside(folder: Path) -> None:
    """Lines are told, and how to learn more; keys and values are not."""
    (folder.parent / "config.yaml").write_text(CONFIG)
    text = said("../config.yaml", folder)
    assert "hunter2" not in text
    assert "config.yaml:3:1: 2 mistakes, in lines 3, 4; " in text
    assert "only `lockstep import FILE` tells which" in text


def test_mistakes_of_a_config_beside(folder: Path) -> None:
    """Of a config in the scenario's own folder each unknown key is named."""
    (folder / "config.yaml").write_text(CONFIG)
    assert "config.yaml:3:1: hunter2: no key of vLLM" in said("config.yaml", folder)


def test_mistakes_of_a_config_below_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So of one where the user works, unless that is home, where all the rest lies too."""
    (folder.parent / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(folder.parent)
    assert "hunter2: no key of vLLM" in said("../config.yaml", folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert "hunter2" not in said("../config.yaml", folder)


def test_unknown_keys_that_are_left_out_outside(folder: Path) -> None:
    """A config outside that is right is taken; notes name the line of what nobody knows."""
    (folder.parent / "config.yaml").write_text(CONFIG.replace("[hunter2]", "4"))
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO.replace("PATH", "../config.yaml").replace("vllm}", "vllm, ignore_unknown: true}"))
    (case,) = load(path)
    told = [str(note) for note in notes(case)]
    assert any(note.startswith("left out: line 3: no key of vLLM") for note in told)
    assert not any("hunter2" in note for note in told)


@pytest.mark.parametrize(("kind", "what"), [("pipe", "this is a pipe"), ("device", "this is a device or a socket")])
def test_no_file(kind: str, what: str, folder: Path) -> None:
    """A pipe in its place is waited for by nobody, and a device is not read."""
    if kind == "pipe":
        os.mkfifo(folder / "config")
    else:
        (folder / "config").symlink_to("/dev/zero")
    assert f"scenario.yaml:4:14: config_file: config: cannot be read: {what}; give a file" in said("config", folder)
