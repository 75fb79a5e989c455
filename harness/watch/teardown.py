"""The end of a case: whatever its outcome, no process and no shared-memory file of it stays; what did is a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.judge.verdict import Finding, FindingKind, Outcome, Verdict
from harness.watch import process
from harness.watch.members import Members
from harness.watch.plan import TOKEN

GRACE_S = 3.0


class Teardown:
    """Looks after the processes that carry a case's token, and after its files, on this host. Made before the launch."""

    def __init__(self, token: str, members: Members) -> None:
        self._token = token
        self._members = members
        self._before = process.shared_memory_files()

    def finish(self, verdict: Verdict, end: Callable[[], None]) -> Verdict:
        """End the case in order with `end`, then look; the verdict, with a `leak` finding if a process had stayed."""
        end()
        gone = process.wait_until(lambda: not self._left(), GRACE_S)
        left = [] if gone else self._left()
        process.end_all(left)
        process.wait_until(lambda: not self._left(), GRACE_S)
        process.remove_files(self._files())
        if not left or verdict.outcome is Outcome.INVALID:
            # Files of killed ranks are removed as a matter of course; only a process that stayed is a leak.
            return verdict
        text = f"{len(left)} processes of the case had to be killed after it had ended"
        return replace(verdict, findings=(*verdict.findings, Finding(FindingKind.LEAK, text, {"pids": left})))

    def _left(self) -> list[int]:
        return process.with_variable(TOKEN, self._token)

    def _files(self) -> set[str]:
        """Files that the ranks reported, and shared memory that appeared meanwhile and that nobody maps.

        The second is for ranks that died with their supervisors (MPI_Abort) before they could report it.
        """
        reported = {path for _, member in self._members for path in member.left}
        return reported | process.unmapped(process.shared_memory_files() - self._before)
