"""Ports that others will use."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lockstep.harness.host import ports


def test_a_port_that_is_used_later_is_none_that_connections_are_given() -> None:
    """It lies outside of the range from which the kernel serves connections, and can be listened on."""
    low, high = (int(word) for word in ports.GIVEN.read_text().split())
    for _ in range(20):
        port = ports.free_port()
        assert not low <= port <= high
        with socket.socket() as server:
            server.bind(("", port))
            server.listen()


def test_where_all_are_given_one_of_them_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host that gives all its ports to connections, or does not say, still has a free one."""
    monkeypatch.setattr(ports, "GIVEN", tmp_path / "range")
    assert ports.free_port() >= 1024
    (tmp_path / "range").write_text("1024\t65535\n")
    assert ports.free_port() >= 1024
