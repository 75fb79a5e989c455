"""Where ranks on other hosts find this one, and what tells its host from theirs."""

from __future__ import annotations

import os
import socket

from lockstep.harness.environment import ADDRESS
from lockstep.harness.ip_address import is_loopback, loopback


def own_address() -> str:
    """As the harness says; the loopback where all ranks are on one host."""
    return os.environ.get(ADDRESS) or loopback()


def own_host() -> str:
    """The name of this host, with its address where there may be others, which may have the same name."""
    address = own_address()
    return socket.gethostname() if is_loopback(address) else f"{socket.gethostname()} ({address})"
