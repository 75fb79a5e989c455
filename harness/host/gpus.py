"""The GPUs of this host, through NVML: what there is, and who holds its memory. No CUDA context is made for it."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. Memory in bytes; `processes` are those that hold a context on it, and what they use."""

    index: int
    name: str
    driver: str
    memory_bytes: int
    used_bytes: int
    processes: dict[int, int]


def gpus() -> list[Gpu]:
    """All GPUs of this host; none where there is no driver."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        driver = str(nvml.nvmlSystemGetDriverVersion())
        return [_gpu(nvml, index, driver) for index in range(nvml.nvmlDeviceGetCount())]


def visible(count: int, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the GPUs of a host that has `count`, or of those that the environment leaves to us.

    As CUDA reads the variable: what follows a number below zero is not there.
    """
    if VISIBLE in environment:
        names = (name.strip() for name in environment[VISIBLE].split(","))
        return tuple(name for name in itertools.takewhile(lambda name: not name.startswith("-"), names) if name)
    return tuple(str(number) for number in range(count))


def torch_has_cuda() -> bool:
    """Whether the torch of this environment was built for CUDA. Looked up on disk: importing it takes a second."""
    found = importlib.util.find_spec("torch")
    return bool(found and found.origin and (Path(found.origin).parent / "lib" / "libtorch_cuda.so").exists())


def _gpu(nvml: Any, index: int, driver: str) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    processes = {int(process.pid): int(process.usedGpuMemory or 0) for process in running}
    return Gpu(index, str(nvml.nvmlDeviceGetName(handle)), driver, int(memory.total), int(memory.used), processes)


@contextmanager
def _nvml() -> Iterator[Any]:
    """NVML, initialised; None where it cannot be."""
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
