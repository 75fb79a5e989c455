"""Whether a call on a socket of another process ends by itself: SO_RCVTIMEO and SO_SNDTIMEO, which show nowhere in /proc."""

from __future__ import annotations

import ctypes
import os
import socket

PIDFD_GETFD = 438  # the same number on all machines
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def has_limit(pid: int, fd: int) -> bool:
    """Whether it may have one. A copy of the socket is held here while it is asked; one that cannot be had may have one."""
    if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):  # noqa: PTH115
        return False
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        copy = _syscall(PIDFD_GETFD, process, fd, 0)
    finally:
        os.close(process)
    if copy < 0:
        return True
    with socket.socket(fileno=copy) as one:
        limits = (one.getsockopt(socket.SOL_SOCKET, option, 16) for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO))
        return any(any(limit) for limit in limits)
