"""What is captured into CUDA graphs: their collectives, handed over again at each replay."""

from __future__ import annotations

from typing import Any

from lockstep.harness.attach import recording
from lockstep.harness.trace.handles import Comm, Manifest

_capturing: list[tuple[Comm, str, int]] | None = None
_manifests: dict[int, Manifest] = {}
_names = 0


def captured(comm: Comm, op: str, size: int) -> bool:
    """Whether a graph is being captured; the collective is then part of it."""
    if _capturing is None:
        return False
    _capturing.append((comm, op, size))
    return True


def begin() -> None:
    """A capture begins. CUDA allows one at a time in a process."""
    global _capturing
    _capturing = []


def end(graph: Any) -> None:
    """A capture ends: its manifest is told, if it holds collectives."""
    global _capturing, _names
    found, _capturing = _capturing, None
    if found:
        _names += 1
        _manifests[id(graph)] = recording.current().recorder.manifest(f"graph {_names}", found)


def replay(graph: Any) -> None:
    """A graph is about to be handed over."""
    manifest = _manifests.get(id(graph))
    if manifest is not None:
        recording.current().recorder.replay(manifest)


def forget(graph: Any) -> None:
    """A graph is reset."""
    _manifests.pop(id(graph), None)
