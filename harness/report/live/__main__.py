"""The process that serves the page of a run: its folder and the listening socket by argument, the token on stdin.

It ends when stdin does: whoever started it has ended then, in whatever way.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

from lockstep.harness.report.live.looks import Looks
from lockstep.harness.report.live.server import LiveServer
from lockstep.harness.report.pages.live_page import live_page


def main(run: Path, descriptor: int) -> None:
    """Serve until stdin ends. It does not return: a page that is being made is not waited for."""
    token = sys.stdin.buffer.readline().decode().strip()
    looks = Looks(run)
    server = LiveServer(token, lambda: live_page(looks.look(), run))
    asyncio.run(_serve(server, socket.socket(fileno=descriptor), looks))


async def _serve(server: LiveServer, listener: socket.socket, looks: Looks) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, over.set)
    listening = await server.serve(listener)
    await over.wait()
    listening.close()
    looks.close()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
