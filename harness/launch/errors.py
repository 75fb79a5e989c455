"""What keeps ranks from being launched."""

from __future__ import annotations

from lockstep.harness.errors import LockstepError


class LaunchError(LockstepError):
    """No launcher can be used; the message says which were looked for and what to do."""

    exit_code = 3
