"""The process that serves the page of a run: who gets it, what bounds those who ask, and that it ends with the run."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from lockstep.harness.host.polling import wait_until
from lockstep.harness.report.live import server
from lockstep.harness.report.live.server import CLIENTS, REQUEST_BYTES, LiveServer
from lockstep.harness.report.live.serving import LOG, serving
from lockstep.harness.report.store import RunStore
from tests.report.samples import ENVIRONMENT, case

PATIENCE_S = 60.0


class Place(NamedTuple):
    """Where a page is served."""

    port: int
    token: str
    run: Path


def ask(port: int, request: str) -> str:
    """What is answered, whole; empty: the connection was closed without a word."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        client.sendall(request.encode("latin-1"))
        found = b""
        while data := client.recv(65536):
            found += data
        return found.decode()


def get(place: Place, path: str | None = None, host: str = "127.0.0.1", method: str = "GET") -> str:
    """The first line of the answer."""
    wanted = f"/{place.token}/" if path is None else path
    return ask(place.port, f"{method} {wanted} HTTP/1.1\r\nHost: {host}\r\n\r\n").partition("\r\n")[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A run that goes on and is served."""
    store = RunStore.create(tmp_path, "r", ["lockstep", "run"], ENVIRONMENT, [case("a"), case("b")])
    said: list[str] = []
    with serving(store.path, True, said.append):
        found = re.fullmatch(r"live page, for you alone: http://127\.0\.0\.1:(\d+)/([\w-]+)/", said[0])
        assert found is not None
        yield Place(int(found[1]), found[2], store.path)
    assert len(said) == 1
    assert not (store.path / LOG).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(found[1])), 5.0)


def test_who_gets_the_page(place: Place) -> None:
    """Only who has the token, asks by a name of loopback, and for this one page."""
    whole = ask(place.port, f"GET /{place.token}/ HTTP/1.1\r\nHost: localhost:{place.port}\r\n\r\n")
    head, _, body = whole.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert "0 of 2 judged" in body
    assert place.token not in whole
    for header in ("frame-ancestors 'none'", "no-store", "no-referrer", "nosniff", "same-origin"):
        assert header in head
    assert get(place, host="[::1]:80") == "HTTP/1.1 200 OK"
    assert get(place, method="HEAD") == "HTTP/1.1 200 OK"
    for path in (
        "/",
        "/x/",
        f"/{place.token[:-1]}/",
        f"/{place.token}x/",
        f"/{place.token}/run.json",
        f"/../{place.token}/",
    ):
        assert get(place, path).startswith("HTTP/1.1 404"), path
    assert get(place, f"http://127.0.0.1/{place.token}/").startswith("HTTP/1.1 404")
    assert get(place, method="POST").startswith("HTTP/1.1 404")
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "",
        "127.0.0.1\r\nHost: evil.example",
    ):
        assert get(place, host=host).startswith("HTTP/1.1 403"), host
    assert ask(place.port, f"GET /{place.token}/ HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 403")
    assert ask(place.port, f"GET /{'x' * (REQUEST_BYTES + 1000)}").startswith("HTTP/1.1 400")  # which has no end


def test_only_loopback(place: Place) -> None:
    """It listens at 127.0.0.1, and neither its arguments nor its variables tell the token."""
    listeners = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"]
    assert [one for one in listeners if one.endswith(f":{place.port:04X}")] == [f"0100007F:{place.port:04X}"]
    (process,) = servers(place.run)
    assert place.token not in " ".join(process.cmdline())
    assert place.token not in process.environ().values()


def test_slow_and_many(clients: list[socket.socket], place: Place) -> None:
    """More clients than are heard, none of which ever asks, keep nobody else from the page, nor the run from its end."""
    clients += [socket.create_connection(("127.0.0.1", place.port), PATIENCE_S) for _ in range(2 * CLIENTS)]
    clients[-1].sendall(b"GET /")
    assert get(place) == "HTTP/1.1 200 OK"
    assert [one.recv(1) for one in clients[:CLIENTS]] == [b""] * CLIENTS  # the oldest were let go
    clients.append(socket.create_connection(("127.0.0.1", place.port), PATIENCE_S))
    clients[-1].sendall(f"GET /{place.token}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())  # and takes nothing


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """Those that are still open when the run has ended."""
    found: list[socket.socket] = []
    yield found
    for one in found:
        one.close()


def test_slow_clients_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not ask in time is let go, and so is who does not take the answer."""
    monkeypatch.setattr(server, "REQUEST_S", 0.2)
    monkeypatch.setattr(server, "ANSWER_S", 0.2)

    async def slow() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        live = await LiveServer("secret", lambda: "x" * (64 << 20)).serve(listener)
        async with live:
            silent, writer = await asyncio.open_connection(*listener.getsockname())
            assert await asyncio.wait_for(silent.read(), PATIENCE_S) == b""
            writer.close()
            loop = asyncio.get_running_loop()
            with socket.socket() as taker:
                taker.setblocking(False)
                await loop.sock_connect(taker, listener.getsockname())
                await loop.sock_sendall(taker, b"GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n")
                while len(asyncio.all_tasks()) > 1:  # of the server, until it has let go
                    await asyncio.sleep(0.05)
                taken = 0
                try:
                    while data := await asyncio.wait_for(loop.sock_recv(taker, 1 << 20), PATIENCE_S):
                        taken += len(data)
                except ConnectionResetError:
                    pass
                assert taken < 64 << 20

    asyncio.run(slow())


def test_a_page_that_cannot_be_made(capfd: pytest.CaptureFixture[str]) -> None:
    """It is answered so, told once, and tried again."""
    tried: list[int] = []

    def page() -> str:
        tried.append(1)
        raise ValueError("torn")

    async def twice() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        async with await LiveServer("secret", page).serve(listener):
            for _ in range(2):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(b"GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
                writer.close()

    asyncio.run(twice())
    assert len(tried) == 2
    assert capfd.readouterr().err.count("ValueError: torn") == 1


def test_not_wanted(tmp_path: Path) -> None:
    """Without the option nothing is started, and nothing said."""
    said: list[str] = []
    with serving(tmp_path, False, said.append):
        assert list(tmp_path.iterdir()) == []
    assert said == []


def test_ended_early(tmp_path: Path) -> None:
    """A page whose process has ended before the run did is told of."""
    said: list[str] = []
    with serving(tmp_path, True, said.append):
        assert wait_until(lambda: bool(servers(tmp_path)), PATIENCE_S)  # until it has become that program
        (process,) = servers(tmp_path)
        process.kill()
        assert wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, PATIENCE_S)
    assert "its process ended early" in said[-1]


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    """Where the command is killed its page goes as well."""
    code = (
        "import sys, pathlib\nfrom lockstep.harness.report.live.serving import serving\n"
        f"with serving(pathlib.Path({str(tmp_path)!r}), True, print): sys.stdout.flush(); sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        port = int(command.stdout.readline().split(":")[3].partition("/")[0])
        command.kill()
    assert wait_until(lambda: is_refused(port), PATIENCE_S)


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 5.0).close()
    except ConnectionRefusedError:
        return True
    return False


def servers(run: Path) -> list[psutil.Process]:
    """The processes that serve the page of this run."""
    return [one for one in psutil.Process().children() if str(run) in one.cmdline()]
