"""Serves one page on loopback to who has the token: no other route, and bounds on size, time and number of all that asks.

What asks is not trusted. A page of another site may make a browser ask here, and may have its own name point to this
machine: so the name by which it asks has to be one of loopback, and the token has to be in the path.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import socket
import sys
import traceback
from collections.abc import Callable

REQUEST_BYTES = 8192
REQUEST_S, ANSWER_S = 5.0, 20.0  # to ask, and to take the answer
CLIENTS = 32  # at once; one more, and the oldest is let go
FRESH_S = 1.0  # so long all who ask get the same page
_LOOPBACK = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_LINE = re.compile(rb"(GET|HEAD) /([A-Za-z0-9_-]+)/? HTTP/1\.[01]")
HEADERS = (
    "Content-Security-Policy: frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\nConnection: close\r\n"
)
REFUSED = {
    400: ("Bad Request", "This is no request for the page of a run.\n"),
    403: ("Forbidden", "Asked by a name that is none of loopback's.\n"),
    404: ("Not Found", "The page is at the address that lockstep has printed, and nowhere else.\n"),
    503: ("Service Unavailable", "The page could not be made.\n"),
}


class LiveServer:
    """`page`: makes it, in a thread; asked at most once at a time, and never when nobody looks."""

    def __init__(self, token: str, page: Callable[[], str]) -> None:
        self._token = token.encode()
        self._page = page
        self._clients: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._making: asyncio.Task[bytes] | None = None
        self._made_s = float("-inf")
        self._told: set[str] = set()

    async def serve(self, listener: socket.socket) -> asyncio.Server:
        """Begin."""
        return await asyncio.start_server(self._accept, sock=listener, limit=REQUEST_BYTES)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._clients[task] = None
        if len(self._clients) > CLIENTS:
            oldest = next(iter(self._clients))
            del self._clients[oldest]
            oldest.cancel()
        try:
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_S)
            await asyncio.wait_for(self._answer(request, writer), ANSWER_S)
        except asyncio.LimitOverrunError:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(_write(writer, *_refusal(400)), REQUEST_S)
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.CancelledError, OSError):
            pass  # it has gone, or is too slow, or has to make room
        finally:
            self._clients.pop(task, None)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        first, *rest = request.split(b"\r\n")
        hosts = [line[5:].strip() for line in rest if line[:5].lower() == b"host:"]
        asked = _LINE.fullmatch(first)
        if len(hosts) != 1 or not _LOOPBACK.fullmatch(hosts[0]):
            await _write(writer, *_refusal(403))
        elif asked is None or not hmac.compare_digest(asked[2], self._token):
            await _write(writer, *_refusal(404))
        else:
            try:
                body = await self._fresh()
            except Exception as error:  # whatever lies in the folder; the run goes on, and the next look may find more
                self._tell(error)
                await _write(writer, *_refusal(503))
                return
            await _write(writer, _head("200 OK", "html", body), b"" if asked[1] == b"HEAD" else body)

    async def _fresh(self) -> bytes:
        """The page, made anew unless it has just been. All who ask meanwhile wait for the same."""
        now = asyncio.get_running_loop().time()
        if self._making is None or (self._making.done() and (now - self._made_s > FRESH_S or self._making.exception())):
            self._making = asyncio.create_task(self._make())
        return await asyncio.shield(self._making)

    def _tell(self, error: Exception) -> None:
        """On stderr, once: who looks asks again and again."""
        text = "".join(traceback.format_exception(error))
        if text not in self._told:
            self._told.add(text)
            print(text, file=sys.stderr, flush=True)

    async def _make(self) -> bytes:
        made = (await asyncio.to_thread(self._page)).encode("utf-8", "replace")
        self._made_s = asyncio.get_running_loop().time()
        return made


def _refusal(code: int) -> tuple[str, bytes]:
    reason, text = REFUSED[code]
    body = text.encode()
    return _head(f"{code} {reason}", "plain", body), body


def _head(status: str, kind: str, body: bytes) -> str:
    return f"HTTP/1.1 {status}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n{HEADERS}\r\n"


async def _write(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
    """All of it, unless who asked takes nothing."""
    writer.transport.set_write_buffer_limits(high=0)  # so that `drain` ends when all has been taken
    writer.write(head.encode() + body)
    await writer.drain()
