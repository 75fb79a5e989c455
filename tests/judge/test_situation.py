"""The situation of a case without a verdict: who waits where, and where ranks differ, in words and as data. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.engine_rules import EngineRules
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.situation import difference_text, situation, situation_text
from lockstep.harness.judge.snapshot import CaseSnapshot, Collected, Limit
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import STREAM_WAITER, RankState, Wait
from lockstep.harness.vocabulary import Cause, Outcome
from tests.judge.test_standing import STACK, WORLD, case


def parted() -> CaseSnapshot:
    """Rank 0 in an all_reduce where rank 1 is in a barrier, and a front end that is no rank."""
    states, histories = {}, {}
    for rank, op in enumerate(("allreduce", "barrier")):
        state = states[rank] = RankState(rank, number=9)
        state.entered[WORLD.key] = 2
        state.waiters[0] = Wait(WORLD.key, 2, op, Need.ALL, -1, 0, 0, "", "", site=f"train.py:{10 + rank} in main")
        history = histories[rank] = History(rank)
        history.entries = [Entry(9, WORLD.key, 2, op, "", "", -1, f"train.py:{10 + rank} in main")]
    return case(states, histories, collected=Collected(others={77: STACK}, folder="/home/me"))


def test_who_waits_and_where_ranks_differ() -> None:
    """Each rank's operation and line, processes that are no ranks, then the first difference; no word of a hang."""
    text = situation_text(parted())
    assert "rank 0 waits in mpi world allreduce #2 at train.py:10 in main" in text
    assert "rank 1 waits in mpi world barrier #2 at train.py:11 in main" in text
    assert "process 77, which is no rank, stands at train.py:18 in save" in text
    stand, _, difference = text.partition(". ")
    assert "allreduce" in difference
    assert "barrier" in difference
    assert "hang" not in text
    assert "never" not in stand


def test_as_data() -> None:
    """The same for programs, as JSON."""
    told = json.loads(json.dumps(situation(parted())))
    assert told["text"] == situation_text(parted())
    assert [rank["waits"][0]["op"] for rank in told["ranks"]] == ["allreduce", "barrier"]
    assert told["processes"] == [{"pid": 77, "line": "train.py:18 in save"}]
    assert [finding["kind"] for finding in told["findings"]] == ["mispaired"]


def test_interrupted() -> None:
    """A case that somebody has ended is not judged: it says by what, after which time, and how things stood."""
    verdict = decide(replace(parted(), limit=Limit.INTERRUPTED, stopped_by="Ctrl-C", start_to_verdict_s=93.4))
    assert (verdict.outcome, verdict.cause, verdict.proved, verdict.blame) == (
        Outcome.INVALID,
        Cause.INTERRUPTED,
        None,
        None,
    )
    assert verdict.text.startswith("Interrupted by Ctrl-C after 93 s, before anything was certain: rank 0 waits in ")
    assert [end.rank for end in verdict.ranks] == [0, 1]


def test_nobody_has_come() -> None:
    """Without a rank there is still something to say."""
    assert situation_text(case({}, {})) == "no process has joined a communicator"


def test_what_an_engine_entered_as_different_things() -> None:
    """Where the rules of blame know no culprit, the collective that ranks entered as different ones is the difference."""
    whole = replace(parted(), rules=EngineRules())
    told = difference_text(whole)
    assert told.startswith("Collective 2 of mpi world was entered as allreduce")
    assert "barrier" in told
    assert situation_text(whole).endswith(f". {told}")
    alone = replace(whole, histories={rank: History(rank, comms={WORLD.key: WORLD}) for rank in (0, 1)})
    assert difference_text(alone) == ""
    skipped = History(0, comms={WORLD.key: WORLD}, result={"skipped": {"decode": [7]}})
    assert difference_text(replace(alone, histories={**alone.histories, 0: skipped})) == ""  # another finding is none


def test_a_device_stream_is_told_as_one() -> None:
    """A wait of a stream, and none of the host that waits for its streams alone."""
    whole = parted()
    wait = whole.states[0].waiters[0]
    assert wait is not None
    whole.states[0].waiters.update({1: wait._replace(need=Need.STREAM)})
    assert [told["stream"] for told in situation(whole)["ranks"][0]["waits"]] == [False]
    stream = RankState(0, number=9, waiters={STREAM_WAITER: wait, STREAM_WAITER - 1: wait})
    waits = situation(replace(whole, asleep={0: stream}))["ranks"][0]["waits"]
    assert [told["stream"] for told in waits] == [False, True]  # by number
