"""A rank's events as the judge reads them: what was launched, by which graph, and what the rank says of itself. Pure."""

from __future__ import annotations

from lockstep.harness.judge.history import History
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import RECORD, Need


def history(memory: bytearray, recorder: Recorder, left_out: tuple[int, ...] = ()) -> History:
    """Of all records but those that were lost."""
    parts = [
        memory[layout.RECORDS + at * RECORD.size : layout.RECORDS + (at + 1) * RECORD.size]
        for at in range(recorder.last)
        if at not in left_out
    ]
    return History.read(0, b"".join(parts), list(recorder._strings))


def test_what_was_launched_has_its_numbers() -> None:
    """A replayed graph's collectives are numbered in order up to the last of its launch, on each communicator."""
    memory = bytearray(layout.ring_bytes(64))
    recorder = Recorder(memory, 64)
    tp, ep = (recorder.comm("nccl", name, range(2), device="stream 1") for name in ("tp", "ep"))
    recorder.launch(tp, "all_reduce", 4)
    graph = recorder.manifest("g1", [(tp, "all_reduce", 5), (ep, "all_to_all", -1), (tp, "broadcast", 6)])
    recorder.replay(graph)
    recorder.replay(graph)
    found = history(memory, recorder)
    names = {key: info.name for key, info in found.comms.items()}
    assert [(names[one.comm], one.seq, one.op, one.size, one.graph) for one in found.entries] == [
        ("tp", 1, "all_reduce", 4, ""),
        ("tp", 2, "all_reduce", 5, "g1"),
        ("tp", 3, "broadcast", 6, "g1"),
        ("ep", 1, "all_to_all", -1, "g1"),
        ("tp", 4, "all_reduce", 5, "g1"),
        ("tp", 5, "broadcast", 6, "g1"),
        ("ep", 2, "all_to_all", -1, "g1"),
    ]
    assert not any(one.posted for one in found.entries)
    assert [(one.name, len(one.collectives)) for one in found.graphs] == [("g1", 3)]


def test_what_blocked_and_what_did_not() -> None:
    """A collective is posted, and has a root, where its event says so; one of a member that there is none of is left out."""
    memory = bytearray(layout.ring_bytes(64))
    recorder = Recorder(memory, 64)
    world = recorder.comm("mpi", "world", (4, 5, 6))
    with recorder.collective(world, "bcast", need=Need.ROOT, root=1):
        pass
    recorder.post(world, "barrier")
    recorder.post(world, "bcast", root=3)
    found = history(memory, recorder)
    assert [(one.op, one.posted, one.root) for one in found.entries] == [("bcast", False, 5), ("barrier", True, -1)]


def test_what_a_rank_says_of_itself() -> None:
    """Later words on its environment add to the first, and nothing else does."""
    memory = bytearray(layout.ring_bytes(64))
    recorder = Recorder(memory, 64)
    assert history(memory, recorder).environment is None
    recorder.environment({"python": "3.11", "torch": "2"})
    recorder.milestone('{"not": "of it"}')
    recorder.environment({"torch": "3"})
    assert history(memory, recorder).environment == {"python": "3.11", "torch": "3"}


def test_what_stands_before_a_gap() -> None:
    """Decisions before the first missing event are known, and counted by site and key."""
    memory = bytearray(layout.ring_bytes(64))
    recorder = Recorder(memory, 64)
    for choice in ("a", "b", "c"):
        recorder.decision("site", "key", choice)
    recorder.decision("site", "other", "d")
    whole = history(memory, recorder)
    assert (whole.gap, whole.missing) == (None, 0)
    assert {name: one.choice for name, one in whole.named_decisions.items()} == {
        ("site", "key", 0): "a", ("site", "key", 1): "b", ("site", "key", 2): "c", ("site", "other", 0): "d",
    }  # fmt: skip
    cut = history(memory, recorder, left_out=(recorder.last - 2,))
    assert cut.missing == 1
    assert [one.choice for one in cut.known_decisions] == ["a", "b"]
