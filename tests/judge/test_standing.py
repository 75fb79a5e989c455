"""Where everybody stands, in words: from events, from stacks, and of messages that nobody asked for. Pure."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.clock import OURS
from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import History, Message
from lockstep.harness.judge.program_rules import ProgramRules
from lockstep.harness.judge.snapshot import CaseSnapshot, Collected, Limit, Process
from lockstep.harness.judge.stack_text import main_thread, place_text, threads
from lockstep.harness.judge.standing import standing_text
from lockstep.harness.judge.unbuffered import unbuffered
from lockstep.harness.judge.unreceived import unreceived
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import CommInfo, RankState, Status, Wait
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.vocabulary import Cause, Outcome

WORLD = CommInfo("mpi:world", "mpi", "world", (0, 1))
STACK = """Process 77: python /home/me/train.py
Python v3.11.2 (/usr/bin/python3.11)

Thread 77 (idle): "MainThread"
    wait (/usr/lib/python3.11/threading.py:327)
    acquire (/venv/lib/python3.11/site-packages/torch/x.py:3)
    save (/home/me/train.py:18)
    <module> (/home/me/train.py:40)
Thread 80 (active+gil): "helper"
    spin (/home/me/train.py:5)
Thread 81 (idle)
    run (/usr/lib/python3.11/threading.py:900)
"""


def case(
    states: dict[int, RankState],
    histories: dict[int, History],
    limit: Limit | None = None,
    collected: Collected | None = None,
    codes: dict[int, int] | None = None,
) -> CaseSnapshot:
    """A program's case in one MPI world."""
    for history in histories.values():
        history.comms = {WORLD.key: WORLD}
    return CaseSnapshot(
        states=states, histories=histories, comms={WORLD.key: ("mpi", "world")},
        processes={rank: Process("host", rank, (codes or {}).get(rank)) for rank in states},
        knot=[], limit=limit, advancing=False, last_block_to_verdict_s=None, start_to_verdict_s=1.0, snapshots_judged=1,
        candidates_refuted=0, rules=ProgramRules(), collected=collected or Collected(),
    )  # fmt: skip


def waiting(rank: int, op: str, peer: int, tag: int = 0, need: Need = Need.RECV) -> RankState:
    """A rank in its first message of a kind."""
    state = RankState(rank, number=9)
    counts = state.received if op == "recv" else state.sent
    counts[WORLD.key, peer, tag] = 1
    state.waiters[0] = Wait(WORLD.key, 1, op, need, peer, tag, 0, "", "", site=f"train.py:{10 + rank} in main")
    return state


def test_what_stands_around_a_recorded_call_is_no_operation() -> None:
    """Of a call of C the line tells the operation, and of one of Python its function; our own is never named."""
    call = "    recorded.<locals>.call (/x/lockstep/harness/attach/recorded.py:48)\n"
    line = "    <module> (/home/me/train.py:9)"
    of_c = main_thread(f'Thread 7 (idle): "MainThread"\n{call}{line}  # request.Wait()\n', "/home/me")
    of_python = main_thread(f'Thread 7 (idle): "MainThread"\n    step (/usr/lib/python3.11/x.py:1)\n{call}{line}\n')
    assert of_c is not None
    assert of_python is not None
    assert (of_c.site, of_c.inside) == ("train.py:9 in <module>", "`request.Wait()`")
    assert of_python.inside == "step"


def test_the_line_of_the_program() -> None:
    """Libraries are left out, names are shortened, and the main thread comes before others."""
    main = main_thread(STACK, "/home/me")
    assert main is not None
    assert (main.site, main.inside) == ("train.py:18 in save", "acquire (wait)")
    assert [thread.holds_lock for thread in threads(STACK)] == [False, True, False]
    assert main_thread("no stack at all") is None


def test_a_thread_without_a_line() -> None:
    """A worker of a library that Python knows and runs no Python code has no line, and costs no other its own."""
    (first, second) = threads('Thread 7 (idle)\nThread 8 (idle): "MainThread"\n    <module> (/home/me/train.py:9)\n')
    assert (first.site, first.inside, second.site) == ("", "", "/home/me/train.py:9 in <module>")


def test_what_a_line_is_in() -> None:
    """It is what the line calls, with the function that waits below it; a wait in C is named by the line itself."""
    inner = 'Thread 1 (idle): "MainThread"\n    <module> (/home/me/train.py:9)  # store.wait(["ready"])\n'
    main = main_thread(inner, "/home/me")
    assert main is not None
    assert (main.site, main.inside) == ("train.py:9 in <module>", '`store.wait(["ready"])`')
    queue = "/usr/lib/python3.11/multiprocessing/"
    outer = (
        'Thread 1 (idle): "MainThread"\n'
        f"    Connection._recv ({queue}connection.py:395)  # chunk = read(handle, remaining)\n"
        f"    Queue.get ({queue}queues.py:103)\n    <module> (/home/me/train.py:9)\n"
    )
    main = main_thread(outer, "/home/me")
    assert main is not None
    assert (main.site, main.inside) == ("train.py:9 in <module>", "Queue.get")


def test_what_a_process_was_started_with() -> None:
    """It is what a process is in that runs no line of the program; below it may be its parent's stack as it was forked."""
    library = "/usr/lib/python3.11/multiprocessing"
    get = f"    _recv ({library}/connection.py:395)\n    Queue.get ({library}/queues.py:103)\n"
    run = f"    BaseProcess.run ({library}/process.py:108)\n    BaseProcess._bootstrap ({library}/process.py:314)\n"
    fork = f"    BaseProcess.start ({library}/process.py:121)\n    <module> (/home/me/train.py:9)\n"
    spawn = f"    spawn_main ({library}/spawn.py:122)\n    <module> (<string>:1)\n"
    own = "    work (/home/me/train.py:3)\n"
    places = {
        "forked": get + run + fork,
        "spawned": get + run + spawn,
        "in C": run + fork,
        "in its own line": get + own + run + fork,
    }
    found = {name: main_thread(f'Thread 7 (idle): "MainThread"\n{text}', "/home/me") for name, text in places.items()}
    assert {name: place_text(thread, "a lock") for name, thread in found.items() if thread is not None} == {
        "forked": "in Queue.get, with which it was started at train.py:9 in <module>",
        "spawned": "in Queue.get, with which it was started",
        "in C": "in a lock, with which it was started at train.py:9 in <module>",
        "in its own line": "at train.py:3 in work, in Queue.get",
    }


def test_a_stall_says_where_all_stand_and_blames_nobody_for_being_unknown() -> None:
    """Of a rank in no known wait there is its line; of a process that is no rank too; neither is to blame."""
    states = {0: RankState(0, waiters={0: None}), 1: waiting(1, "recv", 0, tag=8)}
    told = Collected(stacks={0: STACK}, others={5: STACK}, folder="/home/me")
    verdict = decide(case(states, {0: History(0), 1: History(1)}, Limit.DEADLINE, told))
    assert (verdict.outcome, verdict.cause, verdict.blame) == (Outcome.HANG, Cause.STALL, None)
    assert "Rank 0 stands at train.py:18 in save, in acquire (wait)" in verdict.text
    assert "rank 1 waits in mpi world recv #1 of tag 8 at train.py:11 in main" in verdict.text
    assert "process 5, which is no rank, stands at train.py:18 in save" in verdict.text


def test_ranks_that_have_ended_are_not_said_to_wait() -> None:
    """At a deadline with no rank left the first that failed is the verdict, and what still waits for them is told."""
    states = {0: RankState(0, status=Status.RAISED, gone=True), 1: RankState(1, status=Status.DEAD, gone=True)}
    histories = {
        0: History(0, error=("RuntimeError", "Connection closed by peer", ""), failed_ns=2_000_000_000),
        1: History(1),
    }
    told = Collected(others={5: STACK}, output={1: "step 2\nstep 3\n"}, folder="/home/me")
    verdict = decide(case(states, histories, Limit.DEADLINE, told, codes={0: 1, 1: -9}))
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.SIGNAL)
    assert verdict.blame is not None
    assert verdict.blame.ranks == (1,)
    assert 'Rank 1 died: SIGKILL; the last that it printed: "step 2 / step 3". Rank 0 failed after it.' in verdict.text
    assert "Process 5, which is no rank, still stands at train.py:18 in save, in acquire (wait)." in verdict.text


def test_who_left_early_is_to_blame_for_a_closed_socket() -> None:
    """A rank that raised over a socket which another one closed by returning is the victim; its line is told."""
    trace = (
        'File "/home/me/train.py", line 16, in step\n  File "/venv/lib/python3.11/site-packages/torch/x.py", line 3, in y\n'
        '  File "/opt/lockstep/harness/attach/recorded.py", line 48, in call\n'
    )
    states = {0: RankState(0, status=Status.RAISED, gone=True), 1: RankState(1, status=Status.RETURNED, gone=True)}
    states[0].entered[WORLD.key], states[1].entered[WORLD.key] = 9, 8
    histories = {
        0: History(0, error=("RuntimeError", "[x.cc:534] Connection closed by peer. This could mean ... GLHF!", trace),
                   failed_ns=3, ended_ns=4),
        1: History(1, ended_ns=2),
    }  # fmt: skip
    verdict = decide(case(states, histories, collected=Collected(folder="/home/me"), codes={0: 1, 1: 0}))
    assert verdict.outcome is Outcome.RAISE
    assert verdict.blame is not None
    assert verdict.blame.ranks == (1,)
    assert (
        verdict.text
        == "Rank 1 returned 1 collective of mpi world before the others; rank 0 failed over it at train.py:16 in step."
    )
    assert verdict.blame.detail.startswith("RuntimeError: [x.cc:534] Connection closed by peer.")
    histories[1].ended_ns = 5  # its process ended later: it had closed its group as its last act
    verdict = decide(case(states, histories, codes={0: 1, 1: 0}))
    assert verdict.blame is not None
    assert verdict.blame.ranks == (1,)
    states[1].entered[WORLD.key] = 9  # it came to all that the victim came to, and returned later: no cause of it
    verdict = decide(case(states, histories, codes={0: 1, 1: 0}))
    assert verdict.blame is not None
    assert verdict.blame.ranks == (0,)
    assert OURS.exact


MESSAGES = st.lists(st.tuples(st.sampled_from((0, 1)), st.booleans(), st.sampled_from((7, 8))), max_size=12)


@settings(max_examples=300, deadline=None)
@given(MESSAGES)
def test_messages_that_lie_there(begun: list[tuple[int, bool, int]]) -> None:
    """Of each tag those messages are unreceived that remain when every receive has taken one, in order."""
    histories = {rank: History(rank) for rank in (0, 1)}
    left: dict[int, list[int]] = {7: [], 8: []}
    counts: dict[tuple[int, bool, int], int] = {}
    for at, (rank, sends, tag) in enumerate(begun):
        counts[rank, sends, tag] = counts.get((rank, sends, tag), 0) + 1
        number = counts[rank, sends, tag]
        histories[rank].messages.append(Message(at, WORLD.key, sends, 1 - rank, tag, number, "", False, "", ""))
    for tag, lying in left.items():
        lying += range(counts.get((1, False, tag), 0) + 1, counts.get((0, True, tag), 0) + 1)
    found: dict[int, list[int]] = {7: [], 8: []}
    for sender, message in unreceived(histories, 1):
        assert sender == 0
        found[message.tag].append(message.seq)
    assert found == left


def test_sends_that_nobody_receives() -> None:
    """Where all wait, some of them in sends without a receiver, that is told with both lines, as no proof."""
    states = {rank: waiting(rank, "send", 1 - rank, need=Need.NOBODY) for rank in (0, 1)}
    assert {stuck.rank for stuck in unbuffered(states, {WORLD.key: (0, 1)})} == {0, 1}
    verdict = decide(case(states, {0: History(0), 1: History(1)}, Limit.UNBUFFERED))
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, False)
    assert "rank 0 waits in send #1 of tag 0 to rank 1 at train.py:10 in main" in verdict.text
    states[1].waiters[0] = None
    assert unbuffered(states, {WORLD.key: (0, 1)}) == []  # it may still come
    states[1] = waiting(1, "recv", 0)
    assert unbuffered(states, {WORLD.key: (0, 1)}) == []  # it has come


def test_threads_that_serve_a_store_are_no_part_of_what_hangs() -> None:
    """They wait for whoever asks, at a port of each launch: neither text nor knot nor signature names them."""
    said = set()
    for port in (25970, 16737):
        served = Wait("", 0, f"TCPStore server {port}", Need.HOLDERS, -1, 0, 0, "", "", end="own 7@host")
        states = {0: waiting(0, "recv", 1, tag=7), 1: waiting(1, "recv", 0, tag=8)}
        states[0].waiters[1] = served
        whole = case(states, {0: History(0), 1: History(1)}, Limit.DEADLINE)
        both = [
            Stuck(rank, 0, wait, (1 - rank,)) for rank, state in states.items() if (wait := state.waiters[0]) is not None
        ]
        knot = [*both, Stuck(0, 1, served, ())]
        verdict = decide(replace(whole, knot=knot, limit=None))
        assert "TCPStore" not in verdict.text
        assert [line.rank for line in verdict.knot] == [0, 1]
        said.add(verdict.signature)
    assert len(said) == 1


def asleep(*pids: int) -> CaseSnapshot:
    """Processes that are no ranks, each of which sleeps for the next."""
    waits = {PROCESS + pid: Wait("", 0, "read", Need.HOLDERS, -1, 0, 0, "", "", end=f"pipe {pid}") for pid in pids}
    after = {PROCESS + pid: PROCESS + pids[(at + 1) % len(pids)] for at, pid in enumerate(pids)}
    beside = {node: RankState(node, number=1, waiters={0: wait}) for node, wait in waits.items()}
    knot = [Stuck(node, 0, wait, (after[node],)) for node, wait in waits.items()]
    holders = {wait.end: {node, after[node]} for node, wait in waits.items()}
    return replace(case({}, {}), beside=beside, holders=holders, knot_beside=knot)


def test_processes_of_which_none_is_a_rank() -> None:
    """A knot of them is a deadlock, proved unless it rests on something, and told as they stand; where a rank has
    died before, its death is the verdict.
    """
    told = decide(asleep(12, 13))
    assert (told.outcome, told.cause, told.proved, told.knot) == (Outcome.HANG, Cause.DEADLOCK, True, ())
    assert told.text == (
        "The processes that are left wait for each other, and none has joined a communicator. "
        "Process 12, which is no rank, stands in read from a pipe that process 13 has open too; "
        "process 13, which is no rank, stands in read from a pipe that process 12 has open too."
    )
    assert decide(replace(asleep(12, 13), limit=Limit.ASLEEP)).proved is False
    assert decide(asleep(12)).text.startswith("The one process that is left waits for itself, and none has joined")
    dead = case({0: RankState(0, status=Status.DEAD)}, {0: History(0)}, codes={0: -9})
    lost = decide(replace(asleep(12, 13), states=dead.states, histories=dead.histories, processes=dead.processes))
    assert (lost.outcome, lost.cause) == (Outcome.CRASH, Cause.SIGNAL)
    assert lost.text.startswith(
        "Rank 0 died: SIGKILL. Process 12, which is no rank, still stands in read from a pipe that process 13 has open"
    )


def test_processes_that_may_be_awake_are_told_where_there_is_no_rank() -> None:
    """Unless a stack tells of them."""
    found = replace(case({}, {}), restless={77: "a thread of process 77 is at work"})
    assert standing_text(found) == "a thread of process 77 is at work"
    told = standing_text(replace(found, collected=Collected(others={77: STACK})))
    assert "process 77, which is no rank, stands at /home/me/train.py:18 in save" in told
    assert "at work" not in told


def test_a_knot_without_ranks_has_a_signature_of_its_places() -> None:
    """The same in another launch and when lines were added above; another one where a process stands in another function."""

    def signed(pids: tuple[int, int], stack: str) -> str:
        whole = asleep(*pids)
        return decide(replace(whole, collected=Collected(others={pids[0]: stack}, folder="/home/me"))).signature

    first = signed((100, 101), STACK)
    assert signed((300, 301), STACK.replace("train.py:18", "train.py:25")) == first
    assert signed((100, 101), STACK.replace("save", "load")) != first
    assert signed((100, 101), "") != first
