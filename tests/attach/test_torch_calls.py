"""Calls on a process group that change what is known of it, as torch has them from 2.14 on."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lockstep.harness.attach import recording, torch_calls


class ProcessGroup:
    """As much of torch's as changes a group."""

    def reconfigure(self, options: Any) -> str:
        """New members."""
        return f"work of {options}"

    def new_window(self, tensor: Any = None) -> str:
        """Memory that others write into."""
        return f"window on {tensor}"


def test_what_changes_a_group_makes_its_rank_opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    """New members, and a window: nothing is proved of a rank that made the call; of a group not recorded nothing is told."""
    module = ModuleType("distributed_c10d")
    kind = type("ProcessGroup", (ProcessGroup,), {})
    module.ProcessGroup = kind  # type: ignore[attr-defined]
    known, stranger = kind(), kind()
    told: list[str] = []
    group = SimpleNamespace(comm=SimpleNamespace(key="gloo:world"))
    monkeypatch.setattr(torch_calls, "group_of", lambda pg: group if pg is known else None)
    monkeypatch.setattr(recording, "opaque", told.append)
    torch_calls.wrap(module)
    assert stranger.reconfigure("x") == "work of x"
    assert told == []
    assert known.reconfigure("y") == "work of y"
    assert known.new_window(tensor=3) == "window on 3"
    assert told == [
        "gloo:world was given other members", "gloo:world has a window, which is written to without an event",
    ]  # fmt: skip
