"""What keeps ranks from being launched."""

from __future__ import annotations

from lockstep.harness.errors import LockstepError


class LaunchError(LockstepError):
    """No launcher can be used; the message says which were looked for and what to do."""

    exit_code = 3


class NoSuchLauncher(LaunchError):  # noqa: N818
    """The launcher that the user has named is not here, or cannot do what it is to do: another one is to be named."""

    exit_code = 2
