"""The end of a case: whatever its outcome, no process, shared memory or GPU memory of it stays; what did is a finding."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from harness.judge.verdict import Finding, FindingKind, Outcome, Verdict
from harness.launch.gpus import gpus
from harness.watch import process
from harness.watch.members import Members
from harness.watch.plan import TOKEN

GRACE_S = 3.0
SECOND_LOOK_S = 0.2
GPU_GRACE_S = 15.0  # a driver takes its time to tear a killed process's context down
GPU_SLACK = 64 << 20  # bytes that may stay in use on a GPU: the driver's own, and other processes' small change


class Teardown:
    """Looks after the processes that carry a case's token, and after its files, on this host. Made before the launch."""

    def __init__(self, token: str, members: Members) -> None:
        self._token = token
        self._members = members
        self._before = process.shared_memory_files()
        self._gpus_before = {gpu.index: gpu for gpu in gpus()}

    def finish(self, verdict: Verdict, end: Callable[[], None]) -> Verdict:
        """End the case in order with `end`, then look; the verdict, with a `leak` finding if a process had stayed."""
        end()
        gone = process.wait_until(lambda: not self._left(), GRACE_S)
        left = [] if gone else self._left()
        process.end_all(left)
        process.wait_until(lambda: not self._left(), GRACE_S)
        process.remove_files(self._files())
        # Files of killed ranks are removed as a matter of course; a process or memory that stayed is a leak.
        found: list[Finding] = []
        if left:
            text = f"{len(left)} processes of the case had to be killed after it had ended"
            found.append(Finding(FindingKind.LEAK, text, {"pids": left}))
        found += self._gpu_leaks()
        return verdict if verdict.outcome is Outcome.INVALID else replace(verdict, findings=(*verdict.findings, *found))

    def _gpu_leaks(self) -> list[Finding]:
        """What of this host's GPUs is still in use a while after the end, that was not before."""
        if not self._gpus_before:
            return []
        process.wait_until(lambda: not self._gpu_left(), GPU_GRACE_S, step_s=0.1)
        return [Finding(FindingKind.LEAK, text, {"gpu": index, "bytes": size}) for index, size, text in self._gpu_left()]

    def _gpu_left(self) -> list[tuple[int, int, str]]:
        """GPU, bytes and sentence of each leak. Where other processes have come to a GPU, its memory tells nothing."""
        ours = {member.pid for _, member in self._members}
        found: list[tuple[int, int, str]] = []
        for gpu in gpus():
            before = self._gpus_before[gpu.index]
            held = {pid: size for pid, size in gpu.processes.items() if pid in ours}
            more = gpu.used_bytes - before.used_bytes
            if held:
                text = f"GPU {gpu.index} is still held by processes {sorted(held)} of the case"
                found.append((gpu.index, sum(held.values()), text))
            elif more > GPU_SLACK and not gpu.processes.keys() - before.processes.keys():
                found.append((gpu.index, more, f"{more >> 20} MiB more of GPU {gpu.index} are in use than before the case"))
        return found

    def _left(self) -> list[int]:
        return process.with_variable(TOKEN, self._token)

    def _files(self) -> set[str]:
        """Files that the ranks reported, and shared memory that appeared meanwhile and that nobody maps.

        The second is for ranks that died with their supervisors (MPI_Abort) before they could report it.
        """
        reported = self._members.left()
        found = process.unmapped(process.shared_memory_files() - self._before)
        if found:
            # Another job may have made one this moment and not mapped it yet: look again.
            time.sleep(SECOND_LOOK_S)
            found = process.unmapped(found)
        return reported | found
