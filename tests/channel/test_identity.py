"""What a supervisor says of its host and code, so that hosts which differ are found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockstep.harness.channel import identity


def test_every_source_belongs_to_the_code(tmp_path: Path) -> None:
    """In folders below too, in one order, and nothing that Python has compiled."""
    for name in ("b.py", "a/c.py", "a/d/e.py", "a/notes.md", "__pycache__/f.py", "a/__pycache__/g.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    found = [path.removeprefix(f"{tmp_path}/") for path in identity._sources(str(tmp_path))]
    assert found == ["a/c.py", "a/d/e.py", "b.py"]


def test_the_version_of_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first on the path, in the working directory too; a place that cannot be read, or another name, is passed over."""
    for place, name in (("here", "one-1.2"), ("there", "one-3.4"), ("there", "two-5.0"), ("there", "two_more-6.0")):
        (tmp_path / place / f"{name}.dist-info").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), "", str(tmp_path / "there")])
    assert [identity._installed(name) for name in ("one", "two", "three")] == ["1.2", "5.0", ""]


def test_which_clock_a_host_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of one machine may have another monotonic clock each, in time namespaces, where its kernel has these."""
    namespace = tmp_path / "time"
    monkeypatch.setattr(identity, "TIME", namespace)
    assert identity.identity()["clock"] == f"{identity.machine()} "
    namespace.symlink_to("time:[402653]")
    assert identity.identity()["clock"] == f"{identity.machine()} time:[402653]"
