"""IP addresses as text, of both versions."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.ip_address import TCP, V4, V6, family, is_loopback, loopback, split_port, with_port


@given(st.ip_addresses(), st.integers(0, 65535), st.sampled_from(["", TCP]))
def test_an_address_and_a_port_are_read_as_they_are_written(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, before: str
) -> None:
    """Of both versions, also as an endpoint; sockets are made by the address's version."""
    assert split_port(before + with_port(str(address), port)) == (str(address), port)
    assert family(str(address)) is (socket.AF_INET if address.version == 4 else socket.AF_INET6)
    assert is_loopback(str(address)) is address.is_loopback


def test_a_name_has_no_version() -> None:
    """It is written and read as it is; what has no port is refused."""
    assert split_port(with_port("node1", 80)) == ("node1", 80)
    for text in ("node1", "", "node1:", "[::1]:x"):
        with pytest.raises(ValueError, match="invalid literal"):
            split_port(text)


def test_the_loopback_is_one_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of version 4 where a host has it, else that of version 6; of a host without any, the first is told."""
    there_are = {V4, V6}

    class Socket:
        def __init__(self, family: int, kind: int) -> None: ...

        def __enter__(self) -> Socket:
            return self

        def __exit__(self, *error: object) -> None: ...

        def bind(self, place: tuple[str, int]) -> None:
            if place[0] not in there_are:
                raise OSError("Cannot assign requested address")

    monkeypatch.setattr("socket.socket", Socket)
    assert loopback() == V4
    there_are.discard(V4)
    assert loopback() == V6
    there_are.clear()
    assert loopback() == V4
