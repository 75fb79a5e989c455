"""Who stands above processes with recorders and may act by itself: real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lockstep.harness.host import process_tree
from lockstep.harness.host.polling import wait_until
from lockstep.harness.supervisor.overseers import overseers

CHILD = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-S', '-c', 'input()']); print(p.pid, flush=True)"
)


@contextmanager
def starter(then: str, *words: str) -> Iterator[tuple[int, int]]:
    """A process that has started another one, and that one."""
    argv = [sys.executable, "-S", "-c", f"{CHILD}; {then}", *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        try:
            yield one.pid, int(one.stdout.readline()) if one.stdout else 0
        finally:
            process_tree.end_all([*process_tree.descendants(one.pid), one.pid])


@pytest.mark.parametrize(
    ("then", "words", "acts"),
    [
        ("p.wait()", (), False),
        ("time.sleep(600)", (), True),
        ("p.wait(600)", (), True),
        ("time.sleep(600)", ("/bin/torchrun",), False),
    ],
)
def test_who_may_end_what_it_has_started(then: str, words: tuple[str, ...], acts: bool) -> None:
    """Whoever wakes by itself may, unless it is a launcher that is known; one that waits for the other's end may not."""
    if words:
        then = f"sys.argv.insert(0, ''); {then}"
    with starter(then, *words) as (parent, child):
        assert wait_until(lambda: overseers([child], [parent, child]) == ((parent,) if acts else ()), 20)
        assert overseers([child], [child]) == ()
        assert overseers([child], [parent, child], [parent]) == ()
        assert overseers([], [parent, child]) == ()
