"""Releases that are given in a list are those of one package, and are counted as people count them. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.releases import wanted
from lockstep.harness.bisect.repository import counted


@pytest.mark.parametrize(
    "text", ["filelock==3.20.0,packaging==24.0", "d/a-1.0-py3-none-any.whl,d/b-1.0-py3-none-any.whl", "a==1,a==2,b[x]==3"]
)
def test_releases_of_two_packages(text: str) -> None:
    """Are no history: which of them brought the hang says nothing."""
    with pytest.raises(BisectionError, match=r"--versions .*: these are releases of \w+ and \w+; give those of one package"):
        wanted(text)


@pytest.mark.parametrize(
    ("noun", "suspects", "said"), [("release", 1, "2 releases"), ("image", 14, "15 images"), ("commit", 1, "1 commit")]
)
def test_what_is_counted(noun: str, suspects: int, said: str) -> None:
    """All releases that were given; commits without the older end, as git counts them."""
    assert counted(noun, suspects) == said
