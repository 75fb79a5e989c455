"""The LOCKSTEP_ variables that a user sets, looked at before a command runs: what means nothing would be passed over."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping

from lockstep.harness import environment
from lockstep.harness.channel.logs import level
from lockstep.harness.errors import LockstepError
from lockstep.harness.watchdog.stillness import notice_s

PREFIX = "LOCKSTEP_"
USERS = (environment.SCENARIOS, environment.LOG, environment.NATIVE, environment.NOTICE)
OURS = frozenset(value for value in vars(environment).values() if isinstance(value, str) and value.startswith(PREFIX))


def check_variables(environ: Mapping[str, str]) -> None:
    """Say what is nearly the name of one. Raises LockstepError for a value that means nothing."""
    level(environ)
    notice_s(environ)
    native = environ.get(environment.NATIVE, "")
    if native not in ("", "0", "1") and environment.ATTACH not in environ:  # a watched process gets it from us
        raise LockstepError(f"{environment.NATIVE}={native}: give 1 to record MPI in C, or unset it")
    for name in environ:
        if name.startswith(PREFIX) and name not in OURS:
            close = difflib.get_close_matches(name, USERS, n=1, cutoff=0.9)
            if close:
                print(f"lockstep: {name} is set, which nobody reads; did you mean {close[0]}?", file=sys.stderr)
