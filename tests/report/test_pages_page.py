"""docs/pages.md: its pictures are those that are made, and each is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browser.pictures import PICTURES, SHOWN

ROOT = Path(__file__).parents[2]


def test_pictures() -> None:
    """The page shows every picture once, of the size in which it is made; the README shows the first."""
    page = (ROOT / "docs" / "pages.md").read_text()
    shown = re.findall(r"!\[[^]]+\]\(pictures/(\w+)\.png\)", page)
    assert sorted(shown) == sorted(SHOWN)
    assert f"docs/pictures/{next(iter(SHOWN))}.png" in (ROOT / "README.md").read_text()
    for name, (_, _, height, _) in SHOWN.items():
        raw = (PICTURES / f"{name}.png").read_bytes()
        assert raw.startswith(b"\x89PNG\r\n")
        assert (int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")) == (1120, height)
