"""Flight Recorder dumps as one wait-for graph. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from lockstep.harness.judge.flight import diagnose
from lockstep.harness.judge.flight_dump import parse


def dump(*calls: tuple[str, int, str, str], ranks: str = "[0, 1]", size: int = 4) -> dict[str, Any]:
    """A dump whose entries are (group, number, operation, state)."""
    entries = [
        {
            "process_group": [group, "tp" if group == "1" else "default_pg"], "collective_seq_id": seq, "state": state,
            "profiling_name": f"nccl:{name}", "time_created_ns": 10 * at, "input_sizes": [[size]], "is_p2p": False,
        }
        for at, (group, seq, name, state) in enumerate(calls)
    ]  # fmt: skip
    return {"entries": entries, "pg_config": {group: {"name": group, "ranks": ranks} for group in ("0", "1")}}


DONE = ("0", 1, "broadcast", "completed")


def test_two_groups_in_different_orders() -> None:
    """Ranks that wait for each other in different groups are in one graph; the verdict is never called proved."""
    found = diagnose({0: dump(DONE, ("1", 1, "all_reduce", "started")), 1: dump(DONE, ("0", 2, "barrier", "scheduled"))})
    assert {(wait.rank, wait.name, wait.lacks) for wait in found.waits} == {(0, "tp", (1,)), (1, "default_pg", (0,))}
    assert found.hangs
    assert not found.proved


def test_first_difference_is_the_first_in_time_over_all_groups() -> None:
    """Of the groups in which ranks differ, the one that differed first is named, with who had not come."""
    one = dump(DONE, ("1", 1, "all_reduce", "started"), ("0", 2, "barrier", "scheduled"))
    found = diagnose({0: one, 1: dump(DONE)})
    assert [(mismatch.group, mismatch.seq, mismatch.missing) for mismatch in found.mismatches] == [
        ("tp", 1, (1,)),
        ("default_pg", 2, (1,)),
    ]
    assert found.blame == (1,)


def test_other_operation_or_size() -> None:
    """Ranks that met as different operations, or with different sizes where they must be equal, differ there."""
    by_name = diagnose({0: dump(("0", 1, "all_reduce", "started")), 1: dump(("0", 1, "barrier", "started"))})
    by_size = diagnose({0: dump(("0", 1, "all_reduce", "started")), 1: dump(("0", 1, "all_reduce", "started"), size=8)})
    assert by_name.mismatches[0].seq == by_size.mismatches[0].seq == 1
    assert not diagnose({0: dump(DONE), 1: dump(DONE)}).hangs


def test_missing_dumps_are_named() -> None:
    """A member without a dump may still come, so nobody is said to wait for ever for it, and it is named."""
    found = diagnose({0: dump(("0", 1, "barrier", "started"), ranks="[0, 1, 2]"), 1: dump(DONE, ranks="[0, 1, 2]")})
    assert found.absent == (2,)
    assert found.waits == ()
    assert "No dump of rank 2" in found.text


def test_no_dump() -> None:
    """What is no dump is refused with its rank."""
    with pytest.raises(ValueError, match="rank 1: no dump"):
        diagnose({0: dump(DONE), 1: {"entries": [{"state": "x"}]}})


def gloo(last: int, completed: int, group: str = "0", first: int = 1) -> dict[str, Any]:
    """A dump of a ring that still holds the collectives from `first` on, as gloo writes it: nothing is ever completed."""
    found = dump(*((group, seq, "all_reduce", "scheduled") for seq in range(first, last + 1)))
    for number, entry in enumerate(found["entries"], first - 1):
        entry.update(profiling_name="gloo:all_reduce", record_id=number, pg_id=int(group), retired=False)
    found["pg_status"] = {group: {"last_enqueued_collective": last, "last_completed_collective": completed}}
    return found


def test_status_says_what_has_ended() -> None:
    """gloo completes no entry: what lies below the number that its status calls completed has ended."""
    assert diagnose({0: gloo(3, 3), 1: gloo(3, 3)}).word == "nothing found"
    found = diagnose({0: gloo(3, 2), 1: gloo(3, 2)})
    assert (found.word, found.hangs, [line.seq for line in found.unfinished]) == ("waiting", True, [3, 3])


def test_forgotten_ring_is_not_behind() -> None:
    """A rank whose ring holds only another group's entries is behind where its status says so, and nowhere else."""
    full = gloo(90, 90, group="1", first=80)
    told = {**full, "pg_status": {**full["pg_status"], "0": {"last_enqueued_collective": 2, "last_completed_collective": 2}}}
    assert diagnose({0: told, 1: gloo(2, 2)}).word == "nothing found"
    ended = [{**entry, "retired": True} for entry in full["entries"]]
    as_text = {"0": {"last_enqueued_collective": "2", "last_completed_collective": "2", "last_started_collective": "-1"}}
    assert diagnose({0: {**told, "pg_status": {**full["pg_status"], **as_text}}, 1: gloo(2, 1)}) == diagnose(
        {0: told, 1: gloo(2, 1)}
    )
    untold = diagnose({0: {**full, "entries": ended, "pg_status": {}}, 1: gloo(2, 1)})
    assert not untold.mismatches
    assert any("no longer hold how far rank 0 came in default_pg" in limit for limit in untold.limits)
    behind = {
        **full,
        "pg_status": {**full["pg_status"], "0": {"last_enqueued_collective": 1, "last_completed_collective": 1}},
    }
    assert diagnose({0: behind, 1: gloo(2, 1)}).blame == (0,)


def test_status_without_an_entry_is_a_wait() -> None:
    """A rank that its status shows in a collective of which the ring has lost the entry stands there all the same."""
    full = gloo(90, 90, group="1", first=80)
    lost = {**full, "pg_status": {**full["pg_status"], "0": {"last_enqueued_collective": 2, "last_completed_collective": 1}}}
    found = diagnose({0: lost, 1: gloo(2, 1)})
    assert {(line.rank, line.seq) for line in found.unfinished} == {(0, 2), (1, 2)}


def test_who_is_only_late_is_no_hang() -> None:
    """A root that went ahead, and came out, waits for nobody: that others have not come yet is no difference."""
    assert diagnose({0: dump(DONE, ("0", 2, "broadcast", "completed")), 1: dump(DONE)}).word == "nothing found"


def test_difference_that_ended_is_no_hang() -> None:
    """Operations that PyTorch pairs under two names have ended: they are told, and nothing hangs for them."""
    one, other = dump(("0", 1, "all_gather", "completed")), dump(("0", 1, "_all_gather_base", "completed"))
    found = diagnose({0: one, 1: other})
    assert (found.word, [mismatch.ended for mismatch in found.mismatches]) == ("nothing found", [True])


def test_unfinished_peer_operation_is_told() -> None:
    """A rank in a send or receive is not followed, and is not passed over either."""
    waits = dump(DONE)
    waits["entries"].append({**waits["entries"][0], "is_p2p": True, "state": "started", "profiling_name": "nccl:recv 0<-1"})
    found = diagnose({0: waits, 1: dump(DONE)})
    assert (found.word, found.unfinished[0].op) == ("waiting", "nccl:recv 0<-1")


def test_groups_of_one_description_are_told_apart() -> None:
    """Two groups that are both called tp are named with their own names."""
    one = dump(("1", 1, "all_reduce", "started"), ("2", 1, "barrier", "completed"))
    one["entries"][1]["process_group"] = ["2", "tp"]
    assert "tp (group 1)" in diagnose({0: one, 1: dump(DONE)}).text


def test_order_in_time_and_size_of_a_gap_do_not_matter() -> None:
    """Numbers of collectives that lie far apart cost nothing."""
    far = dump(("0", 1, "all_reduce", "completed"), ("0", 10**12, "all_reduce", "started"))
    assert diagnose({0: far, 1: far}).word == "waiting"


@pytest.mark.parametrize(
    ("files", "site"),
    [
        (
            ["/x/torch/distributed/c10d_logger.py", "/x/harness/attach/recorded.py", "/home/me/train.py"],
            "/home/me/train.py:3 in f3",
        ),
        (["/x/torch/nn/a.py", "/y/site-packages/vllm/b.py", "/me/serve.py"], "/me/serve.py:3 in f3"),
        (
            ["/x/torch/nn/a.py", "/y/site-packages/vllm/b.py", "/y/lib/python3/a.py"],
            "/y/site-packages/vllm/b.py:2 in f2",
        ),
        (["/x/torch/nn/a.py"], ""),
        (["/y/site-packages/torch/a.py", "/x/torch/_ops.py", "/me/torch/serve.py"], "/me/torch/serve.py:3 in f3"),
    ],
)
def test_the_line_of_a_call_is_the_programs(files: list[str], site: str) -> None:
    """Neither PyTorch's, nor of who writes operations down, nor an engine's where a program of the user's calls it."""
    raw = dump(("0", 1, "barrier", "started"))
    raw["entries"][0]["frames"] = [
        {"name": f"f{number}", "filename": file, "line": number} for number, file in enumerate(files, 1)
    ]
    ((call,),) = parse(0, raw).calls.values()
    assert call.site == site


def test_what_the_dumps_cannot_tell() -> None:
    """That ends are not told is said of a backend that tells none, and of peers where there are such operations."""
    ends, peers = "their backend does not say which collectives have ended", "point-to-point operations are not followed"
    told = diagnose({0: dump(DONE), 1: dump(DONE)}).limits
    assert ends not in told
    assert peers not in told
    silent = dump(("0", 1, "all_reduce", "scheduled"))
    assert ends in diagnose({0: silent, 1: silent}).limits
    with_peers = dump(DONE)
    with_peers["entries"].append({**with_peers["entries"][0], "profiling_name": "nccl:send 0->1", "is_p2p": True})
    assert peers in diagnose({0: with_peers, 1: dump(DONE)}).limits


@pytest.mark.parametrize(
    ("mine", "theirs", "word"),
    [
        ((DONE,), (DONE,), "nothing found"),
        ((DONE, ("0", 2, "barrier", "started")), (DONE,), "waiting"),
        ((DONE, ("1", 1, "all_reduce", "started")), (DONE, ("0", 2, "barrier", "started")), "hang"),
        ((("0", 1, "barrier", "started"),), (("0", 1, "barrier", "started"),), "waiting"),
        ((("0", 1, "barrier", "started"),), (("0", 1, "all_reduce", "started"),), "hang"),
    ],
)
def test_in_one_word(mine: tuple[Any, ...], theirs: tuple[Any, ...], word: str) -> None:
    """Ranks that wait for each other hang, and those that met as two operations; who stands in one may come out."""
    assert diagnose({0: dump(*mine), 1: dump(*theirs)}).word == word
