"""Processes without a line of their own: what they are in, and when they are told."""

from __future__ import annotations

import json
from dataclasses import replace

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import History
from lockstep.harness.judge.kernel_calls import Program
from lockstep.harness.judge.snapshot import Collected, Limit
from lockstep.harness.judge.standing import standing_text
from lockstep.harness.judge.verdict import ProcessWait, Verdict
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait
from lockstep.harness.trace.wait import PROCESS
from tests.judge.test_standing import case


def test_what_a_process_without_a_line_is_in() -> None:
    """It is told with its program, and the call with what it is on: a descriptor, a thing, and who else has that."""
    node, peer, other = PROCESS + 12, PROCESS + 13, PROCESS + 14
    names = {node: Program("cat", 0), peer: Program("python")}

    def told(op: str, *ends: str, lacks: tuple[int, ...] = (peer,)) -> str:
        parts = tuple(Wait("", 0, op, Need.HOLDERS, -1, 0, 0, "", "", end=end) for end in ends)
        wait = parts[0] if len(parts) == 1 else parts[0]._replace(need=Need.EITHER, parts=parts)
        state = RankState(node, number=1, waiters={0: wait})
        knot, holders = [Stuck(node, 0, wait, lacks)], {end: set(lacks) for end in ends}
        whole = replace(case({}, {}), beside={node: state}, holders=holders, knot_beside=knot, programs=names)
        return standing_text(whole).removeprefix("process 12 (cat), which is no rank, stands in ")

    has, alarm = "that process 13 (python) has open", "alarm @here"
    assert told("read", "pipe 1", alarm) == f"read from its standard input, a pipe {has} too"
    assert told("poll", "pipe 1", "pipe 2") == f"poll on pipes {has} too"
    assert told("write", "socket 1") == f"write to its standard input, a socket {has}"
    assert told("flock", "file lock 1") == f"flock for a lock of a file {has}"
    assert told("waitpid", "child 13", "child 14", lacks=(peer, other)) == (
        "waitpid for the end of any of process 13 (python) and process 14"
    )
    assert told("poll", "pipe 1", "socket 1") == "poll for process 13"
    assert told("a lock", "own @here", lacks=()) == "a lock for another of its threads"


def test_processes_that_ranks_wait_for_are_told() -> None:
    """One without a line that a rank waits for, and whom that waits for; no other one, if there are ranks."""
    end = {number: Wait("", 0, "read", Need.HOLDERS, -1, 0, 0, "", "", end=f"pipe {number}") for number in range(3)}
    node, after, idle = PROCESS + 12, PROCESS + 13, PROCESS + 14
    states = {0: RankState(0, number=1, waiters={0: end[0]})}
    beside = {one: RankState(one, number=1, waiters={0: end[1]}) for one in (node, idle)}
    whole = replace(case(states, {0: History(0)}, Limit.DEADLINE), beside=beside)
    whole = replace(whole, holders={"pipe 0": {node}, "pipe 1": {after}})
    whole = replace(whole, restless={13: "a thread of process 13 is at work", 15: "a thread of process 15 is at work"})
    told = standing_text(whole)
    assert "process 12, which is no rank, stands in read from a pipe that process 13 has open too" in told
    assert told.endswith("; a thread of process 13 is at work")
    assert "14" not in told


def test_the_knot_names_processes() -> None:
    """Each with its program, call and line, and with those of which any could end its wait."""
    node, peer = PROCESS + 12, PROCESS + 13
    wait = Wait("", 0, "read", Need.HOLDERS, -1, 0, 0, "", "", end="pipe 1")
    states = {one: RankState(one, number=1, waiters={0: wait}) for one in (node, peer)}
    knot = [Stuck(node, 0, wait, (0, peer)), Stuck(node, 0, wait, (node,)), Stuck(peer, 0, wait, (node,))]
    programs = {node: Program("cat", 0, "here"), peer: Program("python", 3, "here")}
    stack = 'Thread 13 (idle): "MainThread"\n    work (/home/me/train.py:3)\n'
    whole = replace(case({}, {}), beside=states, holders={"pipe 1": {node, peer}}, knot_beside=knot, programs=programs)
    before = decide(whole)
    verdict = decide(replace(whole, knot_processes=knot, collected=Collected(others={13: stack}, folder="/home/me")))
    assert verdict.knot_processes == (
        ProcessWait("here", 12, "cat", "read", "", (0,), (13,)),
        ProcessWait("here", 13, "python", "read", "train.py:3 in work", (), (12,)),
    )
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    assert before.knot_processes == ()
    assert decide(replace(whole, knot_processes=knot)).signature == before.signature
