"""What looks from outside tell of a hang: the word, who is missing or behind, and a line of every process. Pure."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.inspection import Inspection, Look, inspect
from lockstep.harness.judge.observation import KernelWait, Observation, from_json, standing

TORCH = "/venv/torch/distributed"


def stack(*frames: str, name: str = "MainThread") -> str:
    """As py-spy prints one thread."""
    return "\n".join(
        ["Process 1: python", "Python v3", "", f'Thread 1 (idle): "{name}"', *(f"    {one}" for one in frames), ""]
    )


def torch_call(name: str, line: int) -> str:
    """A rank in one of torch's collectives, called in a line of the program."""
    return stack(
        f"{name} ({TORCH}/distributed_c10d.py:3252)  # work.wait()",
        f"_exception_logger.<locals>.wrapper ({TORCH}/c10d_logger.py:83)",
        f"main (/job/train.py:{line})",
        "<module> (/job/train.py:99)",
    )


ASLEEP = stack("main (/job/train.py:28)  # time.sleep(1000)", "<module> (/job/train.py:99)")


def seen(rank: int | None, text: str, **more: Any) -> Observation:
    """One that stands still there."""
    return Observation(
        "n1", 100 + (rank or 0), rank, "train.py", **{"stack": text, "asleep": True, "ran": 0.0, "folder": "/job", **more}
    )


def told(*observations: Observation, world: int = 2, **more: Any) -> Inspection:
    """Of a job on one host, looked at for three seconds."""
    return inspect(Look(observations, world, seconds=3.0, hosts=("n1",), **more))


@pytest.mark.parametrize(
    ("text", "libraries", "operation", "site"),
    [
        (torch_call("all_reduce", 30), (), "all_reduce", "train.py:30 in main"),
        (stack("main (/job/a.py:5)  # w.recv(source=1, tag=7)"), ("mpi",), "recv", "a.py:5 in main"),
        (stack("main (/job/a.py:5)  # w.recv(source=1, tag=7)"), (), "", "a.py:5 in main"),
        (stack("main (/job/a.py:5)  # comm.Allreduce(a, b)"), ("mpi",), "Allreduce", "a.py:5 in main"),
        (stack("main (/job/a.py:5)  # loss.item()"), ("cuda",), "item", "a.py:5 in main"),
        (stack("main (/job/a.py:5)  # work.wait()"), ("torch",), "wait", "a.py:5 in main"),
        (stack("synchronize (/venv/torch/cuda/__init__.py:9)", "main (/job/a.py:5)"), (), "synchronize", "a.py:5 in main"),
        (stack("wait (/usr/lib/python3.11/threading.py:327)", "main (/job/a.py:5)"), ("mpi",), "", "a.py:5 in main"),
        (ASLEEP, ("mpi", "torch", "cuda"), "", "train.py:28 in main"),
        ("", (), "", ""),
        (stack(), ("mpi",), "", ""),  # a thread that begins or ends has no line
    ],
)
def test_where_a_process_stands(text: str, libraries: tuple[str, ...], operation: str, site: str) -> None:
    """The program's own line, and the communication that it is in, as far as frames or the line itself tell it."""
    found = standing(text, "/job", libraries)
    assert (found.operation, found.site) == (operation, site)


def test_one_rank_is_busy_elsewhere() -> None:
    """It is what the others wait for."""
    found = told(seen(0, torch_call("all_reduce", 30)), seen(1, ASLEEP))
    assert (found.word, found.proved, found.behind, found.absent) == ("hang", False, (1,), ())
    assert found.text == (
        "Rank 1 stands at train.py:28 in main, in `time.sleep(1000)`, in no communication that is known, "
        "while rank 0 waits in all_reduce at train.py:30 in main."
    )
    assert found.lines[0] == "rank 0 (n1, process 100, train.py): in all_reduce at train.py:30 in main; has not run for 3 s"


def test_a_rank_is_missing() -> None:
    """Whatever the others do: it has no process."""
    found = told(seen(0, torch_call("init_process_group", 3), asleep=False), ended=(("n1", 7),))
    assert (found.word, found.absent, found.behind) == ("hang", (1,), (1,))
    assert found.text.startswith("Rank 1 of 2 is missing: no process of it was found on n1 (process 7 has ended, and its")
    assert any("`--hosts` asks those too" in limit for limit in found.limits)
    on_two = inspect(Look([seen(0, ASLEEP)], 2, seconds=3.0, hosts=("n1", "n2")))
    assert not any("--hosts" in limit for limit in on_two.limits)


def test_ranks_are_apart() -> None:
    """The smaller group is named; of two the one that has come less far in the same function, and why it may be wrong."""
    others = [seen(rank, torch_call("all_reduce", 30)) for rank in (0, 2)]
    assert told(*others, seen(1, torch_call("barrier", 31)), world=3).behind == (1,)
    found = told(seen(0, torch_call("all_reduce", 30)), seen(1, torch_call("barrier", 29)))
    assert found.behind == (1,)
    assert found.text.endswith("Rank 1 is behind, if both are in the same round of the program.")
    elsewhere = stack(f"barrier ({TORCH}/distributed_c10d.py:9)", "save (/job/io.py:4)", "<module> (/job/other.py:1)")
    assert told(seen(0, torch_call("all_reduce", 30)), seen(1, elsewhere)).behind == ()


def test_a_stopped_rank() -> None:
    """Is what the others wait for, wherever it stands."""
    stopped = seen(1, torch_call("all_reduce", 30), waits=(KernelWait(101, "T"),))
    found = told(seen(0, torch_call("all_reduce", 30)), stopped)
    assert found.behind == (1,)
    assert found.text.startswith("Rank 1 is stopped, by a debugger or by a signal (`kill -CONT 101` takes that back).")
    assert found.lines[1].endswith("in all_reduce at train.py:30 in main; stopped by a signal")


def test_all_in_one_place() -> None:
    """Nobody is named, and it is said that nothing tells them apart."""
    found = told(*(seen(rank, torch_call("all_reduce", 30)) for rank in (0, 1)))
    assert (found.word, found.behind) == ("hang", ())
    assert "Nothing from outside tells them apart." in found.text


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ({"moved": True, "asleep": False}, {"moved": True, "asleep": False}, "nothing found"),
        ({"moved": True, "asleep": False}, {"asleep": False}, "nothing found"),
        ({"moved": True, "asleep": False}, {}, "waiting"),
        ({"asleep": False}, {"asleep": False}, "waiting"),
        ({"asleep": False, "libraries": ("mpi",)}, {"asleep": False, "libraries": ("mpi",)}, "hang"),
        ({}, {}, "hang"),
    ],
)
def test_the_word(first: dict[str, Any], second: dict[str, Any], word: str) -> None:
    """A hang only where nobody has gone on; who ran in between may be in another round, if it is not MPI that spins."""
    place = torch_call("all_reduce", 30)
    found = told(seen(0, place, **first), seen(1, place, **second))
    assert (found.word, found.hangs) == (word, word != "nothing found")
    assert word != "nothing found" or found.behind == ()


def test_a_server_without_work() -> None:
    """All ranks stand still and none waits for another one, as far as is known: that may end by itself."""
    found = told(*(seen(rank, ASLEEP) for rank in (0, 1)))
    assert (found.word, found.behind) == ("waiting", ())
    assert found.text.startswith("No rank is in a communication that is known: ranks 0-1 stand at train.py:28")


@pytest.mark.parametrize("more", [{"asleep": False, "libraries": ("mpi",)}, {"asleep": True}, {"asleep": False}])
def test_no_stacks_are_no_hang(more: dict[str, Any]) -> None:
    """Compiled ranks, or ones that nobody may look into: that nothing is seen to move says nothing."""
    found = told(*(seen(rank, "", error="it runs no Python", **more) for rank in (0, 1)))
    assert (found.word, found.behind) == ("waiting", ())
    assert found.text == "Of no rank it can be seen where it stands."


def entry(number: int, name: str) -> dict[str, Any]:
    """A collective in a Flight Recorder."""
    return {"collective_seq_id": number, "process_group": ["0", "default_pg"], "profiling_name": name, "state": "scheduled"}


def flight(*entries: dict[str, Any]) -> dict[str, Any]:
    """A dump of a rank of two."""
    return {"entries": list(entries), "pg_config": {"0": {"name": "0", "desc": "default_pg", "ranks": "[0, 1]"}}}


def test_flight_recorders_count() -> None:
    """Where they answer, who has entered fewer collectives is behind, though all stand at one line."""
    place = torch_call("all_reduce", 30)
    ahead, behind = flight(entry(1, "gloo:all_reduce"), entry(2, "gloo:all_reduce")), flight(entry(1, "gloo:all_reduce"))
    found = told(seen(0, place, flight=ahead), seen(1, place, flight=behind))
    assert found.behind == (1,)
    assert "By their Flight Recorders: First difference, in default_pg #2: rank 0 entered gloo:all_reduce" in found.text


KEYS = ["entries", "ranks", "rank", "communicators", "pg_config", "pg_status", "a"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["entries", "pg_config", "pg_status"]), ANY, min_size=1),
    st.dictionaries(st.just("communicators"), ANY),
)
def test_hostile_answers(dump: dict[str, Any], ras: dict[str, Any]) -> None:
    """What a Flight Recorder or RAS says may be anything: the stacks are told all the same."""
    found = told(seen(0, torch_call("all_reduce", 30), flight=dump), seen(1, ASLEEP), ras=ras)
    assert "Rank 1 stands at train.py:28" in found.text


def test_ras_is_told_beside() -> None:
    """NCCL's own count of launches, with ranks by their processes."""
    ranks = [{"rank": rank, "pid": 100 + rank, "collective_counts": {"AllReduce": 2 - rank}} for rank in range(2)]
    found = told(
        seen(0, torch_call("all_reduce", 30)), seen(1, ASLEEP), ras={"communicators": [{"size": 2, "ranks": ranks}]}
    )
    assert any("NCCL RAS: communicator of 2: AllReduce 2 on rank 0; AllReduce 1 on rank 1" in also for also in found.also)


def test_what_cannot_be_seen_is_said() -> None:
    """No stack, no rank, no answer, no address: each in a line of its own."""
    found = told(
        seen(0, "", error="the kernel lets nobody but root look", asleep=False, connecting=("10.0.0.1:29500",)),
        seen(None, ASLEEP, watched=True),
        world=1,
        blind=("n2: no answer within 90 s",),
    )
    assert "the stack of rank 0: the kernel lets nobody but root look" in found.limits
    assert "what is on n2: no answer within 90 s" in found.limits
    assert found.also[0] == "rank 0 tries to connect to 10.0.0.1:29500, where nobody answers"
    assert "`lockstep peek`" in found.also[1]
    assert found.lines[0].startswith("rank 0 (n1, process 100, train.py): no stack (the kernel lets nobody but root look)")
    assert found.lines[1].startswith("no rank (n1, process 100, train.py): at train.py:28")
    alone = told(seen(None, ASLEEP), world=0)
    assert "which of these processes is which rank: their environment does not say" in alone.limits


def test_an_observation_travels() -> None:
    """From one host to another as JSON."""
    one = seen(1, ASLEEP, waits=(KernelWait(1, "S", "recvfrom", "sk_wait_data", "10.0.0.1:29500"),), libraries=("mpi",))
    assert from_json(asdict(one)) == one
    assert replace(one, asleep=False) != one


def test_a_job_that_ends_meanwhile() -> None:
    """Is over: nobody is missing and nothing hangs. Of one that is about to end, who still stands only waits."""
    left = [seen(rank, torch_call("all_reduce", 30), gone=True, asleep=False) for rank in (0, 1)]
    found = told(*left)
    assert (found.word, found.hangs, found.absent, found.behind) == ("nothing found", False, (), ())
    assert found.text == "It has ended while it was looked at."
    assert all(line.endswith("ended while it was looked at") for line in found.lines)
    found = told(*left, seen(None, ASLEEP))  # one that its rank has left behind
    assert (found.word, len(found.lines)) == ("nothing found", 3)
    found = told(left[0], world=2)
    assert (found.word, found.absent) == ("nothing found", (1,))
    assert found.text.startswith("Rank 0 has ended while the job was looked at. Rank 1 of 2 is missing")
    found = told(left[0], seen(1, torch_call("all_reduce", 30)))
    assert (found.word, found.absent) == ("waiting", ())
    assert found.text.startswith("Rank 0 has ended while the job was looked at. Rank 1 waits in all_reduce")
