"""What comes from processes and hosts that nobody trusts: bounded, whole or nothing, and without what is secret."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.host import stacks
from lockstep.harness.host.polling import wait_until
from lockstep.harness.inspection import flight, kernel, look
from lockstep.harness.inspection.answer import Answer, find, lines
from lockstep.harness.inspection.look import HostLook
from lockstep.harness.inspection.process import Process
from lockstep.harness.inspection.processes import Job
from lockstep.harness.inspection.whole import whole
from lockstep.harness.judge.observation import KernelWait, Observation
from tests.supervisor.test_dumps import serve as serve_ras

SECRET = "hunter2"
PROGRAM = f"""
import time
def turn(rounds, password="{SECRET}"):
    while True:
        rounds += 1
        print(flush=True)
        time.sleep(float("0.02"))
turn(0)
"""


def seen(rank: int, host: str = "n1", stack: str = "x" * 5000) -> Observation:
    """One rank."""
    return Observation(host, 10 + rank, rank, "train.py", stack, waits=(KernelWait(1, "S", "futex"),))


ANSWER = Answer("n1", "", HostLook("n1", 2, (seen(0, stack=os.urandom(9000).hex()), seen(1)), (7,), {"a": 1}, 3.0))


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(0, 30000), st.binary(max_size=9))
def test_an_answer_comes_whole_or_not_at_all(before: bytes, after: bytes, cut: int, noise: bytes) -> None:
    """Whatever is printed between its lines, each of which is short enough for a pipe; a piece, or a torn one, is none."""
    told = lines(ANSWER)
    assert max(map(len, told.splitlines())) < 4096
    assert find(before + told + after) == ANSWER
    assert find(told.replace(b"\n", b"\n" + noise.replace(b"\n", b"") + b"\n")) == ANSWER
    assert find(told[:cut]) in (None, ANSWER)
    assert cut >= len(told) or find(told[:cut]) is None
    assert find(told[:100] + noise + told[101:]) is None


def test_hosts_make_one_job() -> None:
    """Their ranks together; a host that says nothing is told; two jobs are none."""
    there = Answer("n2", "", HostLook("n2", 2, (seen(1, "n2"),), (), {}, 2.0))
    here = Answer("n1", "", HostLook("n1", 2, (seen(0),), (7,), {}, 3.0))
    found = whole([here, there, Answer("n3", "no answer within 90 s")])
    assert ([one.rank for one in found.seen], found.world, found.ended) == ([0, 1], 2, (("n1", 7),))
    assert (found.hosts, found.blind, found.seconds) == (("n1", "n2"), ("n3: no answer within 90 s",), 3.0)
    with pytest.raises(ValueError, match="rank 0 is n1 process 10, n1 process 10: more than one job"):
        whole([here, here])
    with pytest.raises(ValueError, match="worlds of 2 and 4: more than one job"):
        whole([here, Answer("n2", "", HostLook("n2", 4, (seen(1, "n2"),)))])
    with pytest.raises(ValueError, match=r"^n1: gone; n2: gone$"):
        whole([Answer("n1", "gone"), Answer("n2", "gone")])


def test_variables_are_compared_and_not_kept() -> None:
    """Two rounds of one loop differ, by the values of variables, of which none is in what is shown."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None
        program.stdout.readline()

        def differs() -> bool:
            found.extend(one for one in (stacks.glance(program.pid) for _ in range(4)) if not one[1])
            return len({digest for _, _, digest in found}) > 1

        found: list[tuple[str, str, str]] = []
        assert wait_until(differs, 60)
        assert all(SECRET not in text and "rounds" not in text for text, _, _ in found)
        assert any("turn (<string>:" in text for text, _, _ in found)
    finally:
        program.kill()
        program.communicate()


def serve(path: Path, answer: list[bytes], pause_s: float = 0.0) -> None:
    """A stand-in for PyTorch's worker server, which says this and then closes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def work() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            connection.recv(1 << 16)
            for part in answer:
                try:
                    connection.sendall(part)
                except OSError:
                    return
                time.sleep(pause_s)

    threading.Thread(target=work, daemon=True).start()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([HEAD, b'{"entries": []}'], {"entries": []}),
        ([HEAD, b'{"entries": ['], {}),
        ([HEAD, b"[1]"], {}),
        ([b"HTTP/1.1 404 Not Found\r\n\r\n", b'{"entries": []}'], {}),
        ([b'{"entries": []}'], {}),
        ([], {}),
        ([HEAD, *[b" " * (1 << 16)] * 64], {}),
    ],
)
def test_a_worker_server(
    answer: list[bytes], found: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a whole dump is one; what is too long, torn or no HTTP is none."""
    monkeypatch.setattr(flight, "LONGEST_BYTES", 1 << 20)
    serve(tmp_path / "server", answer)
    assert flight.flight_recorder({flight.SOCKET: str(tmp_path / "server")}, 10.0) == found


def test_a_worker_server_that_never_ends(tmp_path: Path) -> None:
    """It is left in time; where there is none, nobody waits."""
    serve(tmp_path / "server", [b" "] * 2000, 0.05)
    began = time.monotonic()
    assert flight.flight_recorder({flight.SOCKET: str(tmp_path / "server")}, 0.5) == {}
    assert time.monotonic() - began < 30.0
    for path in ("/nowhere/at/all", str(tmp_path), "x" * 300):
        assert flight.flight_recorder({flight.SOCKET: path}) == {}
    assert flight.flight_recorder({}) == {}


def test_ras_is_asked_where_nccl_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the address that the job has given it; where no rank has NCCL loaded, nobody is asked."""
    status = b'{"communicators": []}'
    address, asked = serve_ras([b"SERVER PROTOCOL 2\n", b"OK\n", b"OK\n", status])
    rank = Process(os.getpid(), 1, os.getuid(), 0, False, ("python",), "python", {"NCCL_RAS_ADDR": address})
    assert look._ras(Job({0: rank}, 1, ())) == {}
    assert asked == []
    monkeypatch.setattr(kernel, "uses_nccl", lambda pid: True)
    assert look._ras(Job({0: rank}, 1, ())) == {"communicators": []}
    assert asked[-1] == b"VERBOSE STATUS\n"


def test_what_the_kernel_tells() -> None:
    """The system call of a process, the other end of the socket that it reads, and how often it was switched."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    code = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); print(flush=True); s.recv(1)"
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None
        program.stdout.readline()
        assert wait_until(lambda: kernel.waits(program.pid)[0].call == "recvfrom", 60)
        (wait,) = kernel.waits(program.pid)
        assert (wait.thread, wait.state, wait.peer) == (program.pid, "S", f"127.0.0.1:{port}")
        assert kernel.switches(program.pid) == kernel.switches(program.pid) > 0
        assert kernel.connecting(program.pid) == ()
        assert kernel.libraries(program.pid) == ()
    finally:
        program.kill()
        program.communicate()
        listener.close()
    with pytest.raises(OSError):
        kernel.waits(program.pid)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F:733C", "127.0.0.1:29500"),
        ("0000000000000000FFFF00000100007F:733C", "127.0.0.1:29500"),
        ("00000000000000000000000001000000:0050", "[::1]:80"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="as a little-endian kernel writes them")
def test_addresses_of_the_kernel(text: str, address: str) -> None:
    """As people write them."""
    assert kernel._address(text) == address
