"""PyTorch's own tests of torch.distributed give the same results watched and plain."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.peers.suite import plain, watched

TESTS = (
    "test_all_reduce_sum", "test_all_gather", "test_all_to_all_single_equal_split", "test_barrier", "test_broadcast",
    "test_batch_isend_irecv_gloo", "test_gather_object", "test_all_gather_object_default_pg", "test_isend", "test_irecv",
    "test_monitored_barrier_gloo", "test_send_recv", "test_send_recv_any_source", "test_scatter_object_list",
    "test_new_subgroups", "test_DistributedDataParallel", "test_reduce_sum",
)  # fmt: skip


@pytest.mark.timeout(3600)
def test_same_results(tmp_path: Path) -> None:
    """The same tests run, pass, fail and are skipped."""
    words = [sys.executable, str(Path(__file__).parent / "torch_suite.py"), *TESTS]
    before = plain(words, 1, tmp_path, tmp_path)
    after, verdict = watched(words, 1, tmp_path, tmp_path)
    assert before.ends
    assert after == before
    assert verdict["outcome"] != "hang", verdict["text"]
