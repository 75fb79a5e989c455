"""The breadcrumb: what a device adds to its word is what a reader finds there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.trace.breadcrumb import NO_ROOM, Crumb, enter, leave


@given(st.lists(st.integers(0, 70_000), max_size=50), st.booleans())
def test_word_counts_and_names(sites: list[int], ends: bool) -> None:
    """After any series of collectives the word tells how many began, and which one has not ended."""
    word = 0
    for site in sites:
        word += enter(site)
        assert Crumb.parse(word) == (Crumb.parse(word).entered, min(site, NO_ROOM - 1))
        word += leave(site)
    assert Crumb.parse(word) == (len(sites), None)
    if sites and not ends:
        assert Crumb.parse(word + enter(sites[-1])).inside
