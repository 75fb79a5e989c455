"""Where processes stand is told in a sentence, whether they are ranks or not. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.observation import KernelWait, Observation
from lockstep.harness.judge.observation_words import line
from tests.judge.test_inspection import ASLEEP, seen, stack, told, torch_call


def process(pid: int, text: str, parent: int = 40, **more: Any) -> Observation:
    """One that is no rank."""
    return replace(seen(None, text, **more), pid=pid, parent=parent)


def test_workers_that_are_no_ranks() -> None:
    """Each is told where it stands, by its number; who has started them waits for their end and is told last."""
    join = stack("main (/job/mp.py:40)  # context.join()", "<module> (/job/mp.py:99)")
    workers = [process(41 + n, torch_call(name, 30 + n)) for n, name in enumerate(("all_reduce", "broadcast", "barrier"))]
    found = told(process(40, join, parent=1), *workers, world=0)
    assert (found.word, found.ranks, found.behind) == ("hang", (), ())
    assert found.text == (
        "Processes are at different places: process 41 waits in all_reduce at train.py:30 in main; "
        "process 42 waits in broadcast at train.py:31 in main; process 43 waits in barrier at train.py:32 in main; "
        "process 40, which has started others, stands at mp.py:40 in main, in `context.join()`."
    )
    found = told(process(40, join, parent=1), workers[0], process(42, ASLEEP), world=0)
    assert found.text.startswith("Process 42 stands at train.py:28 in main, in `time.sleep(1000)`, in no communication")
    found = told(workers[0], process(44, torch_call("all_reduce", 30)), world=0)
    assert found.text.startswith("Processes 41, 44 wait in all_reduce at train.py:30 in main. Nothing from outside")
    found = told(replace(workers[0], host="n2"), workers[2], world=0)
    assert "process 43 on n1 waits in barrier" not in found.text  # one host in a group needs no name
    assert "process 41 waits in all_reduce" in found.text


@pytest.mark.parametrize(
    ("observations", "text"),
    [
        ([process(7, ASLEEP)], "No process is in a communication that is known: process 7 stands at train.py:28 in main, in "
         "`time.sleep(1000)`."),
        ([process(7, "", error="no stack")], "Of no process it can be seen where it stands."),
        ([process(7, ASLEEP, waits=(KernelWait(7, "T"),))], "Process 7 is stopped."),
        ([], "Process 9 has ended, and nobody has asked how; nothing else of the job was found."),
        ([seen(0, ASLEEP, waits=(KernelWait(100, "T"),))],
         "Rank 0 is stopped, by a debugger or by a signal (`kill -CONT 100` takes that back)."),
    ],
)  # fmt: skip
def test_there_is_always_a_sentence(observations: list[Observation], text: str) -> None:
    """Of a plain program, of one that nobody may look into, of one that is stopped, of one that has ended."""
    assert told(*observations, world=0, ended=(("n1", 9),)).text == text


STANDS = st.sampled_from(["", ASLEEP, torch_call("all_reduce", 30), torch_call("barrier", 31)])
SEEN = st.builds(
    lambda rank, text, moved, asleep, gone, stopped, parent: replace(
        seen(rank, text, moved=moved, asleep=asleep, gone=gone), parent=parent,
        waits=(KernelWait(1, "T"),) if stopped else (),
    ),
    st.none() | st.integers(0, 3), STANDS, st.booleans(), st.booleans(), st.booleans(), st.booleans(),
    st.integers(99, 103),
)  # fmt: skip


@given(st.lists(SEEN, min_size=1, max_size=5, unique_by=lambda one: one.rank), st.sampled_from([0, 2, 4]))
def test_any_job_is_told_in_a_sentence(observations: list[Observation], world: int) -> None:
    """Whatever was seen: it is never empty; no rank that was seen is missing; one that has ended in the look is no hang."""
    found = told(*observations, world=world)
    assert found.text.endswith(".")
    assert not set(found.absent) & {one.rank for one in observations}
    if any(one.gone for one in observations):
        assert found.word != "hang"


@pytest.mark.parametrize(
    ("frames", "behind"),
    [
        (("step (/job/t.py:5)", "step (/job/t.py:9)"), (0,)),
        (("step (/job/t.py:9)", "step (/job/t.py:5)"), (1,)),
        (("step (/job/t.py:9)", "load (/job/t.py:5)"), ()),
        (("step (/job/t.py:9)", "step (/job/u.py:5)"), ()),
    ],
)
def test_who_has_come_less_far(frames: tuple[str, str], behind: tuple[int, ...]) -> None:
    """Of two ranks in two lines of one function the upper one, below the same lines; in other functions nobody can tell."""
    calls = ("barrier", "all_reduce")
    stacks = [
        stack(
            f"{call} (/venv/torch/distributed/distributed_c10d.py:9)",
            frame,
            "main (/job/t.py:30)",
            "<module> (/job/t.py:99)",
        )
        for call, frame in zip(calls, frames, strict=True)
    ]
    assert told(seen(0, stacks[0]), seen(1, stacks[1])).behind == behind


def test_who_cannot_be_woken() -> None:
    """Where in the kernel it is says more than the call, of those that cannot be woken alone."""

    def words(**wait: str) -> str:
        return line(seen(0, ASLEEP, waits=(KernelWait(100, **wait),)), 3.0)

    assert "cannot be woken in nfs_wait" in words(state="D", where="nfs_wait")
    assert "cannot be woken;" in words(state="D")
    assert words(state="T", where="do_signal_stop").endswith("stopped by a signal")
    assert "the kernel says read with rank 1" in words(state="S", call="read", peer="rank 1")
    assert "kernel" not in words(state="S", call="futex")
