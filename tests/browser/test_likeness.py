"""Pages look as they did: in small, against the pictures that are kept."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from .chromium import Chromium
from .kept import FONT, KEPT, SHOTS, Shot, has_font, make_page, small_picture
from .likeness import Difference, difference, read_png

browser = pytest.mark.browser
pytestmark = [pytest.mark.timeout(300)]
needs_font = pytest.mark.skipif(not has_font(), reason=f"pictures are of the font {FONT} (Debian: fonts-dejavu-core)")
# What somebody may break without any test of words seeing it.
BROKEN = {
    "no graph": "document.querySelectorAll('#graph figure').forEach(one => one.remove())",
    "blame without colour": "document.documentElement.style.setProperty('--bad', 'var(--soft)');"
    "document.documentElement.style.setProperty('--bad-back', 'var(--back)')",
    "no style sheet": "document.querySelector('style').remove()",
    "skewed": "document.querySelectorAll('.timeline > g').forEach(one => one.setAttribute('transform', 'skewX(9)'))",
}


@browser
@needs_font
@pytest.mark.parametrize("chromium", [False, True], indirect=True, ids=["light", "dark"])
def test_pages_look_as_they_did(request: pytest.FixtureRequest, chromium: Chromium, tmp_path: Path) -> None:
    """Each page, at its width; what differs is written beside, and `make kept-pictures` keeps it if it is meant."""
    found: dict[str, Difference] = {}
    for shot in SHOTS:
        if shot.dark is (request.node.callspec.id == "dark"):
            page = make_page(shot.page, tmp_path / f"{shot.name}-made")
            picture = small_picture(chromium, page, shot.width)
            found[shot.name] = difference(read_png(picture), read_png((KEPT / shot.name).read_bytes()))
            (tmp_path / shot.name).write_bytes(picture)
            print(shot.name, found[shot.name])
    assert found
    assert {name: one for name, one in found.items() if not one.alike} == {}, f"see {tmp_path}"


@browser
@needs_font
@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_seen(chromium: Chromium, broken: str, tmp_path: Path) -> None:
    """The comparison is no formality: of a page that lacks something it says so."""
    shot = Shot("case", 1280, False)
    small_picture(chromium, make_page("case", tmp_path / "case"), shot.width)
    chromium.value(BROKEN[broken])
    picture = read_png(chromium.small_picture(0.125))
    found = difference(picture, read_png((KEPT / shot.name).read_bytes()))
    print(broken, found)
    assert not found.alike


def png(pixels: np.ndarray, kind: int) -> bytes:
    """A PNG whose rows all have one filter, none of which changes anything: it is made backwards by the same rule."""
    height, width, channels = pixels.shape
    flat = pixels.reshape(height, width * channels).astype(np.int64)
    rows = b""
    for number in range(height):
        above = flat[number - 1] if number else np.zeros_like(flat[0])
        left = np.concatenate([np.zeros(channels, np.int64), flat[number][:-channels]])
        corner = np.concatenate([np.zeros(channels, np.int64), above[:-channels]])
        guess = left + above - corner
        apart = np.abs(np.stack([guess - left, guess - above, guess - corner]))
        paeth = np.choose(apart.argmin(axis=0), [left, above, corner])
        guesses = [np.zeros_like(left), left, above, (left + above) // 2, paeth]
        rows += bytes([kind]) + ((flat[number] - guesses[kind]) % 256).astype(np.uint8).tobytes()

    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2 if channels == 3 else 6, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_are_read(kind: int, channels: int) -> None:
    """By each way in which a row may be written."""
    pixels = np.random.default_rng(kind).integers(0, 256, (9, 7, channels))
    assert np.array_equal(read_png(png(pixels, kind)), pixels[:, :, :3])


def test_differences() -> None:
    """None between one and itself; a spot is found where it is; what is longer differs, and so does what is wider."""
    plain = np.full((40, 40, 3), 200.0)
    spot = plain.copy()
    spot[20:28, 12:20] = 0.0
    assert difference(plain, plain) == Difference(0.0, 0.0, (0, 0))
    assert difference(plain, spot) == Difference(8.0, 200.0, (12, 20))
    assert not difference(plain, np.concatenate([spot, spot])).alike
    assert not difference(plain, plain[:, :20]).alike
