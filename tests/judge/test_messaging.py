"""Messages in every way that MPI has, against a machine that matches them: what is called stuck never moves."""

from __future__ import annotations

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace.state import Status
from tests.judge.messaging import COMM, Machine, random_machine

RUNS = 20_000


def run(machine: Machine) -> tuple[int, int]:
    """Run to the end, judged after every step. The ranks that never end, and those of them that were called stuck."""
    called: dict[int, tuple[int, bool]] = {}
    members = {COMM: tuple(machine.states)}
    while True:
        for wait in stuck(machine.states, members):
            called.setdefault(wait.rank, machine.position(wait.rank))
        ready = [rank for rank in machine.states if machine.can_move(rank)]
        if not ready:
            break
        machine.move(machine.chance.choice(ready))
        for rank, state in machine.states.items():
            over = not machine.blocked(rank) and machine.at[rank] == len(machine.programs[rank])
            state.status = Status.RETURNED if over else Status.RUNNING
    for rank, position in called.items():
        assert machine.position(rank) == position, (machine.programs, rank, position)
    blocked = [rank for rank in machine.states if machine.blocked(rank)]
    return len(blocked), len(called)


def test_what_is_called_stuck_never_moves() -> None:
    """Whatever is posted, left open, taken back or waited for together; and nearly all that never move are found."""
    blocked = found = 0
    for seed in range(RUNS):
        never, called = run(random_machine(seed))
        blocked += never
        found += called
    assert blocked > RUNS / 4
    assert found > 0.8 * blocked
