"""Unmodified programs of two ranks over NCCL, on two GPUs or both on one: only a host that waits for ever is proved."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockstep.harness.host.gpus import gpus
from lockstep.harness.vocabulary import Cause, Outcome
from tests.attach.launch import watch

PROGRAM = Path(__file__).parent / "programs" / "nccl.py"
HANGS = {
    "left_out": ((1,), "all_reduce"),
    "left_out_on_a_stream": ((1,), "all_reduce"),
    "left_out_of_a_step": ((1,), "all_reduce (DistributedDataParallel)"),
    "left_out_a_replay": ((1,), "all_reduce"),
    "left_out_before_an_event": ((1,), "all_reduce"),
    "left_out_a_barrier": ((1,), "barrier"),
    "left_out_before_item": ((1,), "all_reduce"),
    "left_out_before_if": ((1,), "all_reduce"),
    "opposite_order": ((0, 1), "all_reduce"),
}
pytestmark = pytest.mark.skipif(not gpus(), reason="no GPU on this host")


@pytest.mark.parametrize("name", HANGS)
def test_a_host_that_waits_for_what_a_peer_never_handed_over_hangs(tmp_path: Path, name: str) -> None:
    """What a peer that has ended, or waits itself, never gave to its GPU keeps the host for ever: proved."""
    ranks, op = HANGS[name]
    verdict = watch([sys.executable, str(PROGRAM), name], 2, tmp_path, 60.0)
    if len(gpus()) < 2 and name != "opposite_order":  # as between hosts, where NCCL hears of the end of a peer
        assert verdict.outcome is not Outcome.SUCCESS
        assert not verdict.proved
        assert "nccl.py:" in verdict.text
        return
    assert (verdict.outcome, verdict.proved) == (Outcome.HANG, True), verdict.text
    assert verdict.cause is (Cause.DEADLOCK if name == "opposite_order" else Cause.ORPHANED)
    assert verdict.blame is not None
    assert set(verdict.blame.ranks) <= set(ranks)
    assert f"nccl {'group 1' if name == 'opposite_order' else 'world'} {op} #" in verdict.text
    assert "nccl.py:" in verdict.text


@pytest.mark.parametrize("name", ["slow", "busy", "early"])
def test_gpus_that_have_much_to_do_are_waited_for(tmp_path: Path, name: str) -> None:
    """Long kernels, late ranks, coalesced and captured collectives: nothing that comes out is called a hang."""
    verdict = watch([sys.executable, str(PROGRAM), name], 2, tmp_path, 60.0)
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
