"""Which of Ray's processes may act: real processes that look like them."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from lockstep.harness.attach import ray_gets
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.proc import name_of
from lockstep.harness.supervisor import ray_workers
from lockstep.harness.supervisor.ray_workers import KEPT_S, RayWorkers

NAMED = "import sys; open('/proc/self/comm', 'w').write(sys.argv[1]); sys.stdin.read()"


def begin(stack: ExitStack, title: str, name: str) -> int:
    """A process with such a command line and such a name, until the end of `stack`."""
    argv = [title, "-S", "-c", NAMED, name]
    one = stack.enter_context(subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE))
    stack.callback(one.kill)
    assert wait_until(lambda: name_of(one.pid) == name, 20)
    return one.pid


def test_who_runs_something(tmp_path: Path) -> None:
    """A worker that runs something may act, and for a while after it has become idle; without a raylet there is none."""
    with ExitStack() as stack:
        raylet, busy, idle, agent = (
            begin(stack, title, name)
            for title, name in [("raylet", "raylet"), ("ray::Lock", "x"), ("ray::IDLE", "x"), ("ray::DashboardAgent", "x")]
        )
        workers = RayWorkers(str(tmp_path / "socket"))
        below = [raylet, busy, idle, agent]
        assert workers.acting(below, [], (), 0.0) == set()
        assert workers.acting([busy, idle, agent], [1], (), 0.0) == set()
        assert workers.acting(below, [busy], (), 1.0) == {busy}  # a recorder makes no rank
        assert workers.acting(below, [1], (), 1.0) == {busy}
        assert workers.acting([raylet, idle, agent], [1], (), 1.0 + KEPT_S / 2) == {busy}
        assert workers.acting([raylet, idle, agent], [1], (), 1.0 + KEPT_S) == set()


def test_who_has_another_title(tmp_path: Path) -> None:
    """A worker that has given itself a title of its own is told by its raylet; a driver that does not wait may act."""
    workers = RayWorkers(str(tmp_path / "socket"))
    script = "import subprocess, sys; open('/proc/self/comm', 'w').write('raylet'); "
    script += "print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    argv = [sys.executable, "-S", "-c", f"{script}; sys.stdin.read()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as raylet:
        assert raylet.stdout is not None
        titled = int(raylet.stdout.readline())
        try:
            assert workers.acting([raylet.pid, titled], [1], (), 1.0) == {titled}
        finally:
            os.kill(titled, 9)
            raylet.kill()
    driver = ExitStack()
    with driver, (tmp_path / "_raylet.so").open("wb+") as library:
        library.write(bytes(4096))
        library.flush()
        with mmap.mmap(library.fileno(), 4096):
            other = begin(driver, "raylet", "raylet")
            assert workers.acting([other, os.getpid()], [1], (), 100.0) == {os.getpid()}


class Module:
    """What `ray.get` stands in, as far as it is looked at."""

    SCRIPT_MODE = 0

    class global_worker:  # noqa: N801  (Ray's name)
        """The state of this process."""

        mode = 0

    @staticmethod
    def get(look: object, *, timeout: float | None = None) -> object:
        """Whatever is seen meanwhile."""
        return look() if callable(look) else timeout


def test_driver_tells_that_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver waits for its actors alone while it is in `ray.get` without a limit, and neither before nor after it."""
    address = str(tmp_path / "socket")
    pid = os.getpid()
    workers = RayWorkers(f"{address}{ray_workers.MARK}")
    monkeypatch.setenv("LOCKSTEP_ATTACH", address)
    monkeypatch.setattr(ray_gets, "_alone", lambda _: True)
    monkeypatch.setattr(Module, "get", Module.get)
    ray_gets.wrap(Module)

    def look() -> set[int]:
        soon, later = workers.waiting([pid], 1.0), workers.waiting([pid], 1.0 + KEPT_S)
        assert soon == set()  # not yet for long
        return later

    assert look() == set()
    assert Module.get(look) == {pid}
    assert Module.get(look, timeout=1.0) == set()
    assert look() == set()
    with pytest.raises(ZeroDivisionError):
        Module.get(lambda: 1 // 0)
    assert look() == set()
    assert ray_gets.MARK == ray_workers.MARK


ALONE = """
import signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
from lockstep.harness.attach import ray_gets
class Module:
    SCRIPT_MODE = 0
    class global_worker:
        mode = 0
print(ray_gets._alone(Module))
signal.signal(signal.SIGTERM, lambda *_: None)
thread = threading.Thread(target=sys.stdin.read, name="ray_print_logs", daemon=True)
thread.start()
print(ray_gets._alone(Module))
Module.global_worker.mode = 1
print(ray_gets._alone(Module))
Module.global_worker.mode = 0
signal.setitimer(signal.ITIMER_REAL, 600)
print(ray_gets._alone(Module))
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGUSR1, lambda *_: None)
print(ray_gets._alone(Module))
signal.signal(signal.SIGUSR1, signal.SIG_DFL)
threading.Thread(target=sys.stdin.read, name="mine", daemon=True).start()
print(ray_gets._alone(Module))
"""


def test_who_has_nothing_beside(tmp_path: Path) -> None:
    """An alarm, a handler, a thread of the program's or a worker of Ray may act while it waits; Ray's own may not."""
    root = str(Path(ray_gets.__file__).parents[3])
    argv = [sys.executable, "-c", ALONE, root]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as one:
        assert one.stdout is not None
        said = [one.stdout.readline().strip() for _ in range(6)]
        one.kill()
    assert said == ["True", "True", "False", "False", "False", "False"]
