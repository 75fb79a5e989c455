"""What a supervisor is told at its start."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lockstep.harness.channel.bootstrap import PROTOCOL, Plan, read_plan
from lockstep.harness.environment import PLAN

A_PLAN = Plan(
    endpoint="tcp://127.0.0.1:5", server_key="a", public_key="b", secret_key="c", argv=("x",), spec={"n": 1}, world=6,
    capacity=64, nodes=(2, 3, 1), chosen=False, cwd="/", machine="m", ras="", gpus=(("0", "2"), (), ("1",)),
)  # fmt: skip


def test_it_comes_back_as_it_was() -> None:
    """Through one variable; a plan of another version is refused with both, and none at all with what starts supervisors."""
    environment = A_PLAN.environment()
    assert read_plan(environment) == A_PLAN
    told = {**json.loads(environment[PLAN]), "protocol": PROTOCOL + 1}
    with pytest.raises(SystemExit, match=rf"\(protocol {PROTOCOL}, not {PROTOCOL + 1}\)"):
        read_plan({PLAN: json.dumps(told)})
    with pytest.raises(SystemExit, match="is not set"):
        read_plan({})


def test_ranks_are_counted_node_by_node() -> None:
    """The number on the node and how many it has; the GPUs that its node was given, all of them where none were."""
    assert [A_PLAN.local_rank(rank) for rank in range(6)] == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 1)]
    with pytest.raises(IndexError, match="rank 6 of 6"):
        A_PLAN.local_rank(6)
    seen = [A_PLAN.visible(rank).get("CUDA_VISIBLE_DEVICES") for rank in range(7)]
    assert seen == ["0,2", "0,2", None, None, None, "1", None]
    assert A_PLAN.visible(0)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert replace(A_PLAN, gpus=()).visible(0) == {}


@pytest.mark.parametrize(
    ("endpoint", "remote"), [("tcp://127.0.0.1:5", False), ("tcp://[::1]:5", False), ("tcp://10.0.0.1:5", True)]
)
def test_whether_ranks_may_be_elsewhere(endpoint: str, remote: bool) -> None:
    """By the watchdog's address."""
    assert replace(A_PLAN, endpoint=endpoint).remote is remote
