"""Every test here runs on several hosts, and only when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.hosts import Cluster, missing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder; skip them where nobody asked for them."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if "LOCKSTEP_CLUSTER" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="runs on several hosts, which root makes: `make test-cluster`"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A head and three hosts, for all tests. A test that kills or cuts one brings it back."""
    if lacking := missing():
        pytest.fail(lacking)
    with Cluster() as made:
        yield made
