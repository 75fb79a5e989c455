"""Which stores are known, and how their keys are told."""

from __future__ import annotations

from torch._C._distributed_c10d import HashStore, PrefixStore, TCPStore

from lockstep.harness.attach import torch_stores


def test_a_tcp_store_is_known_below_its_prefixes() -> None:
    """It is told by its server's port; of another store nothing is known."""
    server = TCPStore("127.0.0.1", 0, 1, True, wait_for_workers=False)
    assert torch_stores._port(server) == server.port
    assert torch_stores._port(PrefixStore("a", PrefixStore("b", server))) == server.port
    assert torch_stores._port(PrefixStore("a", HashStore())) is None


def test_how_keys_are_told() -> None:
    """By name, in short; when there are very many, no more by name: strings have no end of room."""
    torch_stores._told.clear()
    assert torch_stores._listed("ready") == "'ready'"
    assert torch_stores._listed(["a", "b"]) == "'a', 'b'"
    assert len(torch_stores._listed("k" * 1000)) < 100
    told = {torch_stores._listed(f"key-{number}") for number in range(2 * torch_stores.MOST_KEYS)}
    assert len(told) <= torch_stores.MOST_KEYS + 1
    assert torch_stores._listed("ready") == "'ready'"
    torch_stores._told.clear()
