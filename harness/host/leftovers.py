"""What a case may leave on a host: processes that carry its token, shared-memory files, memory of GPUs.

Made before the case's ranks start there; looks, and clears away, when they have ended.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from lockstep.harness.environment import TOKEN
from lockstep.harness.host import proc, process_tree, shared_memory
from lockstep.harness.host.gpus import Gpu, gpus
from lockstep.harness.host.polling import wait_until

GRACE_S = 3.0
GPU_GRACE_S = 15.0  # a driver takes its time to tear a killed process's context down
GPU_SLACK = 64 << 20  # bytes that may stay in use on a GPU: the driver's own, and other processes' small change


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that stayed: a sentence, and its facts."""

    text: str
    facts: dict[str, Any] = field(default_factory=dict)


class Leftovers:
    """Those of one case on this host."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._before = shared_memory.made_by_mpi()
        self._gpus_before: dict[int, Gpu] = {}

    def note_gpus(self) -> None:
        """Note what of the GPUs is in use."""
        self._gpus_before = {gpu.index: gpu for gpu in gpus()}

    def clear(self, ours: Collection[int], files: Collection[str] = (), spared: Collection[int] = ()) -> list[Leak]:
        """Wait a moment, end and remove what is still there, and tell of it. Not of files: those of killed ranks stay as a
        matter of course.

        `ours`: processes of the case that may have held a GPU. `files`: what its ranks told of. `spared`: processes that
        carry its token and have yet to leave.
        """
        gone = wait_until(lambda: not self._left(spared), GRACE_S)
        left = [] if gone else self._left(spared)
        process_tree.end_all(left)
        wait_until(lambda: not self._left(spared), GRACE_S)
        self.remove_files(files)
        found = (
            [Leak(f"{len(left)} processes of the case had to be killed after it had ended", {"pids": left})] if left else []
        )
        return found + self._gpu_leaks(ours)

    def remove_files(self, files: Collection[str] = ()) -> None:
        """Remove these, and shared memory that appeared meanwhile and that nobody maps."""
        # Of ranks that died with their supervisors, and could tell nobody.
        shared_memory.remove_files({*files, *shared_memory.abandoned(shared_memory.made_by_mpi() - self._before)})

    def _left(self, spared: Collection[int]) -> list[int]:
        return [pid for pid in proc.with_variable(TOKEN, self._token) if pid not in spared]

    def _gpu_leaks(self, ours: Collection[int]) -> list[Leak]:
        """What of this host's GPUs is still in use a while after the end, that was not before."""
        if not self._gpus_before:
            return []
        wait_until(lambda: not self._gpu_left(ours), GPU_GRACE_S, step_s=0.1)
        return self._gpu_left(ours)

    def _gpu_left(self, ours: Collection[int]) -> list[Leak]:
        """Where other processes have come to a GPU, its memory tells nothing."""
        found: list[Leak] = []
        for gpu in gpus():
            before = self._gpus_before[gpu.index]
            held = {pid: size for pid, size in gpu.processes.items() if pid in ours}
            more = gpu.used_bytes - before.used_bytes
            if held:
                text = f"GPU {gpu.index} is still held by processes {sorted(held)} of the case"
                found.append(Leak(text, {"gpu": gpu.index, "bytes": sum(held.values())}))
            elif more > GPU_SLACK and not gpu.processes.keys() - before.processes.keys():
                text = f"{more >> 20} MiB more of GPU {gpu.index} are in use than before the case"
                found.append(Leak(text, {"gpu": gpu.index, "bytes": more}))
        return found
