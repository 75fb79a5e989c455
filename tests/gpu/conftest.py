"""Every test here needs a GPU, and says so where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.host.gpus import gpus, torch_has_cuda

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder; skip them with the reason."""
    reason = "no GPU on this host" if not gpus() else "" if torch_has_cuda() else "this torch was built without CUDA"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.timeout(300))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))
