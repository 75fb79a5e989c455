"""Faults: what a scenario does to one rank at a phase or a shape. Real ones; nothing here knows what comes of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.clock import Clock
from lockstep.engines.minimal.spec.settings import Fault
from lockstep.harness.trace import Recorder


class LeaveEarly(BaseException):
    """The rank's program ends here, without an error. No `except Exception` may swallow it."""


class FaultyDevice(Protocol):
    """What a fault can do to a GPU."""

    def take_memory(self, size: int | None, leave: int | None) -> None:
        """Take `size` bytes of this rank's share, or all but `leave`."""

    def fail(self) -> None:
        """Meet an error on the device."""

    def skip_launch(self) -> None:
        """Do not hand the next replay to the stream."""


@dataclass(slots=True)
class Faults:
    """The faults of this rank, each of which happens once."""

    rank: int
    faults: tuple[Fault, ...]
    recorder: Recorder
    abort: Callable[[int], None]  # MPI_Abort
    manager: BlockManager | None = None
    device: FaultyDevice | None = None
    clock: Clock = field(default_factory=Clock)
    place: tuple[str, str] = ("", "")  # phase and shape that this rank is in
    done: set[int] = field(default_factory=set)

    def at(self, phase: str, shape: str | None = None) -> None:
        """Called when a phase begins (no shape) and before each shape: do what is due here."""
        self.place = (phase, shape or "")
        self._due(phase, shape)

    def aside(self, phase: str, shape: str) -> None:
        """Called by a thread beside the rank's own: do what is due here, the rank is elsewhere."""
        self._due(phase, shape)

    def before(self, layer: str) -> None:
        """Called before a layer."""
        self._inside(f"{layer} before")

    def between(self, layer: str) -> None:
        """Called between the dispatch and the combine of a layer."""
        self._inside(f"{layer} between")

    def compiling(self, kernel: str) -> None:
        """Called where a kernel is needed for the first time, whatever phase that is in."""
        self._due("jit", None)
        self._due("jit", kernel)

    def _inside(self, place: str) -> None:
        phase, shape = self.place
        self._due(phase, f"{shape} {place}")

    def _due(self, phase: str, shape: str | None) -> None:
        for number, fault in enumerate(self.faults):
            if fault.rank == self.rank and number not in self.done and fault.phase == phase and _fits(fault, shape):
                self.done.add(number)
                self._do(fault)

    @property
    def all_done(self) -> bool:
        """Whether every fault of this rank has happened that its scenario names."""
        own = [number for number, fault in enumerate(self.faults) if fault.rank == self.rank and not fault.drawn]
        return self.done.issuperset(own)

    def _do(self, fault: Fault) -> None:
        seconds = fault.seconds or 0.0
        match fault.kind:
            case "delay":
                _compile_for(seconds)
            case "stop":
                _stop_for(seconds)
            case "raise":
                raise RuntimeError(f"fault injected on rank {self.rank} at {fault.phase}")
            case "exit":
                os._exit(1 if fault.code is None else fault.code)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segv":
                ctypes.string_at(0)
            case "abort":
                self.recorder.abort(fault.code or 1)
                self.abort(fault.code or 1)
            case "return":
                raise LeaveEarly
            case "spin":
                while True:
                    pass
            case "gil":
                ctypes.PyDLL(None).usleep(int(seconds * 1e6))
            case "clock":
                self.clock.offset_s += seconds
            case "exhaust":
                if self.manager is None:
                    raise RuntimeError(f"there is no KV cache to exhaust yet in phase {fault.phase}")
                _take_blocks(self.manager, fault.leave or 0, fault.seconds)
            case "ballast":
                self._on_device(fault).take_memory(fault.bytes, fault.leave_bytes)
            case "device-error":
                self._on_device(fault).fail()
            case "skip-launch":
                self._on_device(fault).skip_launch()

    def _on_device(self, fault: Fault) -> FaultyDevice:
        if self.device is None:
            raise RuntimeError(f"there is no GPU for {fault.kind} (yet) in phase {fault.phase}")
        return self.device


def _fits(fault: Fault, shape: str | None) -> bool:
    if fault.shape is None or shape is None:
        return fault.shape is None and shape is None
    return set(fault.shape.split()) <= set(shape.split())


def _take_blocks(manager: BlockManager, leave: int, seconds: float | None) -> None:
    """Take all free blocks but `leave`; as a transfer that ends gives them back after `seconds`, if that is said."""
    taken = manager.take_all_but(leave)
    if seconds is not None:
        timer = threading.Timer(seconds, manager.free, [taken])
        timer.daemon = True
        timer.start()


def _compile_for(seconds: float) -> None:
    """Keep the core busy with what a slow start really does: compiling."""
    until = time.monotonic() + seconds
    source = "\n".join(f"def f{n}(x):\n    return [x * {n} + y for y in range({n})]" for n in range(200))
    while time.monotonic() < until:
        compile(source, "<delay>", "exec")


def _stop_for(seconds: float) -> None:
    """Let somebody else stop this process, and continue it after `seconds`."""
    pid = os.getpid()
    code = f"import os, signal, time; os.kill({pid}, signal.SIGSTOP); time.sleep({seconds}); os.kill({pid}, signal.SIGCONT)"
    subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
    time.sleep(0.5)  # not to run on before the signal has come; the stop itself may outlast this
