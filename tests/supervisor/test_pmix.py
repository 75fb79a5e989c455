"""Connections to a server of PMIx that a supervisor holds open."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.ip_address import family
from lockstep.harness.supervisor.pmix import HeldConnections

CLIENT = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); print(1, flush=True); input()"


@pytest.mark.parametrize(("kind", "address"), [("tcp4", "127.0.0.1"), ("tcp6", "::1")])
def test_a_rank_that_dies_leaves_its_connection_open(kind: str, address: str) -> None:
    """The server sees no end of it while the supervisor holds a duplicate, in both versions of IP."""
    if kind == "tcp6" and not Path("/proc/self/net/if_inet6").is_file():
        pytest.skip("this kernel has no IPv6")
    with socket.socket(family(address)) as server:
        server.bind((address, 0))
        server.listen()
        port = server.getsockname()[1]
        place = f"[{address}]" if kind == "tcp6" else address
        held = HeldConnections({"PMIX_SERVER_URI41": f"space.0;{kind}://{place}:{port}"})
        words = [sys.executable, "-c", CLIENT, address, str(port)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as rank:
            connection, _ = server.accept()
            assert rank.stdout is not None
            rank.stdout.readline()
            held.look(lambda: [rank.pid])
            rank.kill()
        descriptors = held._of[rank.pid]
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.settimeout(30)
        assert connection.recv(1) == b""
        connection.close()
