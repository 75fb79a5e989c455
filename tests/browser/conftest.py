"""Where no Chromium is to be started, these tests are left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser is no part of a developer's machine."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("browser") and "LOCKSTEP_BROWSER" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="needs Debian's chromium and chromium-driver: `make test-browser`"))


@pytest.fixture
def chromium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chromium]:
    """A new browser, ended with the test."""
    with Chromium(tmp_path / "profile", dark=bool(getattr(request, "param", False))) as browser:
        yield browser
