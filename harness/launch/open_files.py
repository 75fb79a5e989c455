"""How many files a head may hold open: each supervisor has a connection to it, each rank files that grow."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

from lockstep.harness.environment import OPEN_FILES
from lockstep.harness.launch.errors import LaunchError

RESERVE = 256  # libraries, sockets, reports, and connections of who has no key
FEWEST_FILES = 16  # files of ranks that are held open together; others are opened again when they grow
FLOOD = 20_000  # connections of who has no key, before the first are sent away: room for them where the hard limit has it
LAUNCHER_EACH = 4  # pipes that a launcher holds open for a rank of this host
UNLIMITED = 1 << 20


def allow(ranks: int) -> dict[str, str]:
    """Make sure that this process may hold a connection to each of so many supervisors; environment for the supervisors.

    The soft limit is raised where that is needed, as far as the hard limit allows. Raises LaunchError when that is too low.
    """
    soft, hard = _limits()
    used = _used()
    need = used + ranks + FEWEST_FILES + RESERVE
    if hard < need:
        raise LaunchError(
            f"{ranks} ranks need {need} open files in this process (a connection each, and {used} are open), and the hard "
            f"limit is {hard}: raise it (`ulimit -Hn {need}` as root, LimitNOFILE= of a service, "
            "/etc/security/limits.conf for logins)"
        )
    wish = min(hard, need + FLOOD + LAUNCHER_EACH * ranks)
    if soft >= wish:
        return {}
    resource.setrlimit(resource.RLIMIT_NOFILE, (wish, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return {OPEN_FILES: f"{soft}:{wish}"}


def left(ranks: int) -> int:
    """How many files of ranks may be held open beside connections to so many supervisors."""
    return max(FEWEST_FILES, _limits()[0] - _used() - ranks - RESERVE)


def give_back(environ: Mapping[str, str]) -> None:
    """In a supervisor: what it starts gets the soft limit that the user had, not the one that the head needs."""
    before, _, raised = environ.get(OPEN_FILES, "").partition(":")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if raised and soft == int(raised):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(before), hard))


def _limits() -> tuple[int, int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        UNLIMITED if soft == resource.RLIM_INFINITY else soft,
        UNLIMITED if hard == resource.RLIM_INFINITY else hard,
    )


def _used() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208
