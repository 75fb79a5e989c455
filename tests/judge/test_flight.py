"""Flight Recorder dumps as one wait-for graph. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from lockstep.harness.judge.flight import diagnose


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
