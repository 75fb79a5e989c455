"""Which processes are a job: pure, over a table of processes as /proc would tell it."""

from __future__ import annotations

import os

import pytest

from lockstep.harness.inspection.process import Process
from lockstep.harness.inspection.processes import NotFoundError, Table

ME = 900


def process(pid: int, parent: int, words: str, variables: dict[str, str] | None = None, ended: bool = False) -> Process:
    """One that runs the first of these words."""
    argv = tuple(words.split())
    return Process(pid, parent, os.getuid(), 0, ended, argv, f"/bin/{argv[0]}", None if ended else variables or {})


def rank(number: int, world: int = 2) -> dict[str, str]:
    """What torchrun tells."""
    return {"RANK": str(number), "WORLD_SIZE": str(world)}


def mpi(number: int) -> dict[str, str]:
    """What Hydra tells."""
    return {"PMI_RANK": str(number), "PMI_SIZE": "2"}


BASE = [process(1, 0, "init"), process(2, 1, "bash"), process(ME, 2, "python lockstep inspect train.py")]
TORCHRUN = [
    process(10, 2, "python torchrun train.py"),
    process(11, 10, "python train.py", rank(0)),
    process(12, 10, "python train.py", rank(1)),
    process(13, 11, "python -c from multiprocessing.resource_tracker import main", rank(0)),
    process(14, 11, "python worker.py", rank(0)),
]
MPIEXEC = [
    process(20, 2, "mpiexec -n 2 python solve.py"),
    process(21, 20, "hydra_pmi_proxy"),
    process(22, 21, "bash run.sh", mpi(0)),
    process(23, 22, "python solve.py", mpi(0)),
    process(24, 21, "solve", mpi(1)),
]


def table(*processes: Process) -> Table:
    """These, with a shell and who looks."""
    return Table({one.pid: one for one in (*BASE, *processes)}, ME)


def ranks(found: Table, pids: tuple[int, ...] = (), name: str = "") -> dict[int, int]:
    """The process of each rank of a job."""
    return {number: one.pid for number, one in found.job(pids, name).ranks.items()}


@pytest.mark.parametrize(
    ("pids", "name"), [((), ""), ((10,), ""), ((12,), ""), ((14,), ""), ((), "train.py"), ((), "torchrun")]
)
def test_torchrun(pids: tuple[int, ...], name: str) -> None:
    """By nothing, by who started it, by one of its ranks, by a name: the ranks and what is below them, not the agent."""
    found = table(*TORCHRUN).job(pids, name)
    assert {number: one.pid for number, one in found.ranks.items()} == {0: 11, 1: 12}
    assert ([one.pid for one in found.others], found.world) == ([14], 2)


def test_a_wrapper_is_no_rank() -> None:
    """Below a shell the program that it starts is the rank; a program without Python is one itself."""
    assert ranks(table(*MPIEXEC)) == {0: 23, 1: 24}


def test_somebody_else_who_looks() -> None:
    """Has the name on its command line too, and is no part of the job."""
    other = process(70, 2, "python /usr/bin/lockstep inspect train.py --seconds 9")
    assert [one.pid for one in table(*TORCHRUN, other).job((), "train.py").others] == [14]
    with pytest.raises(NotFoundError, match=r"^train.py: no process on "):
        table(other).job((), "train.py")


def test_two_jobs() -> None:
    """Have to be named, and can be."""
    both = table(*TORCHRUN, *MPIEXEC)
    with pytest.raises(
        NotFoundError, match=r"^2 jobs run here: give a process or a name of one: process 11 \(train.py\); proc"
    ):
        both.job()
    assert ranks(both, (22,)) == {0: 23, 1: 24}
    assert ranks(both, (), "train.py") == {0: 11, 1: 12}


def test_torchrun_below_mpi() -> None:
    """The inner ranks are those of the job: agents that mpiexec has started are none, and both are of one job."""
    inner = [
        process(20, 2, "mpiexec -n 2 torchrun"),
        process(21, 20, "python torchrun train.py", mpi(0)),
        process(22, 20, "python torchrun train.py", mpi(1)),
        process(23, 21, "python train.py", {**mpi(0), **rank(0)}),
        process(24, 22, "python train.py", {**mpi(1), **rank(1)}),
    ]
    assert ranks(table(*inner)) == ranks(table(*inner), (24,)) == {0: 23, 1: 24}


def test_ranks_whose_starter_is_gone() -> None:
    """They are found below init, and nothing else that is there."""
    orphans = [process(11, 1, "python train.py", rank(0)), process(12, 1, "python train.py", rank(1))]
    found = table(*orphans, process(30, 1, "python server.py")).job()
    assert ([one.pid for one in found.ranks.values()], found.others) == ([11, 12], ())


def test_processes_without_ranks() -> None:
    """A program that starts its own workers has processes, of which nobody says which rank they are."""
    spawned = [process(40, 2, "python serve.py"), process(41, 40, "python -c spawn_main")]
    found = table(*spawned).job((40,))
    assert (dict(found.ranks), [one.pid for one in found.others]) == ({}, [40, 41])


def test_a_rank_that_has_ended() -> None:
    """Is missing, and the process that nobody has asked how it ended is told."""
    found = table(TORCHRUN[0], TORCHRUN[1], process(12, 10, "python train.py", ended=True)).job()
    assert (list(found.ranks), found.world, found.ended) == ([0], 2, (12,))


@pytest.mark.parametrize(
    ("pids", "name", "said"),
    [
        ((77,), "", "77: no such process on "),
        ((2,), "", "2: that is what looks, or what has started it"),
        ((50,), "", "50: it belongs to "),
        ((51,), "", "51: it has ended, and its parent (process 2) has not asked how"),
        ((52,), "", "52: neither ranks nor Python processes were found there"),
        ((), "nosuch", "nosuch: no process on "),
        ((), "secret.py", "secret.py: what has this in its command line belongs to "),
        ((), "", "no process on "),
    ],
)
def test_mistakes(pids: tuple[int, ...], name: str, said: str) -> None:
    """What is wrong and what to do. Who looks is in no job, though the name is in its command line too."""
    foreign = Process(50, 2, os.getuid() + 1, 0, False, ("python", "secret.py"), "", None)
    found = table(foreign, process(51, 2, "python x.py", ended=True), process(52, 2, "sleep 100"))
    with pytest.raises(NotFoundError) as caught:
        found.job(pids, name)
    assert str(caught.value).startswith(said)
    with pytest.raises(NotFoundError):
        found.job((), "lockstep inspect")


def test_ranks_of_two_worlds() -> None:
    """Two processes of one rank, or worlds of two sizes, are no job."""
    twice = [process(60 + number, 2, "python train.py", rank(0)) for number in range(2)]
    with pytest.raises(NotFoundError, match="rank 0 is process 60, 61: more than one job"):
        table(*twice).job()
    sizes = [process(60, 2, "python a.py", rank(0, 2)), process(61, 2, "python a.py", rank(1, 4))]
    with pytest.raises(NotFoundError, match="worlds of 2 and 4: more than one job"):
        table(*sizes).job()


def test_names_of_programs_hide_secrets() -> None:
    """A line of a report is made of the command line, which may hold a token."""
    assert process(5, 1, "python train.py --api-key sk-12345").title == "train.py --api-key ***"


SPAWNED = [
    process(40, 2, "python mp.py"),
    process(41, 40, "python -c spawn_main --multiprocessing-fork"),
    process(42, 40, "python -c spawn_main --multiprocessing-fork"),
    process(45, 2, "python fork.py"),
    process(46, 45, "python fork.py"),
    process(47, 45, "python fork.py"),
    process(48, 2, "python -c from multiprocessing.forkserver import main"),
]


@pytest.mark.parametrize("pid", [40, 41, 42])
def test_a_spawned_worker(pid: int) -> None:
    """Stands for the program that has started it, and so for the other workers; a shell above is none of it."""
    assert [one.pid for one in table(*SPAWNED).job((pid,)).others] == [40, 41, 42]


@pytest.mark.parametrize("pid", [45, 46, 47])
def test_a_forked_worker(pid: int) -> None:
    """Has the command line of the program that it is of."""
    assert [one.pid for one in table(*SPAWNED).job((pid,)).others] == [45, 46, 47]


@pytest.mark.parametrize(("pids", "said"), [
    ((11, 22), "11 and 22 are of two jobs: give processes of one of them"),
    ((40, 11), "40 and 11 are of two jobs"),
    ((52, 11), "52: neither ranks nor Python processes were found there"),
])  # fmt: skip
def test_processes_of_two_jobs(pids: tuple[int, ...], said: str) -> None:
    """None of what was asked for is dropped without a word."""
    with pytest.raises(NotFoundError) as caught:
        table(*TORCHRUN, *MPIEXEC, *SPAWNED, process(52, 2, "sleep 100")).job(pids)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(("pids", "shown"), [((40, 45), [40, 41, 42, 45, 46, 47]), ((10, 12), [14])])
def test_several_processes(pids: tuple[int, ...], shown: list[int]) -> None:
    """Programs of which nobody knows ranks may be one job, started by hand: all are shown. So are those of one job."""
    assert [one.pid for one in table(*TORCHRUN, *SPAWNED).job(pids).others] == shown
