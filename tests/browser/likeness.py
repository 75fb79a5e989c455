"""How much two small pictures differ: PNGs as Chromium writes them, read and compared. numpy only."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 4  # pixels of a small picture that are looked at together: what a letter more or less changes is not seen
Image = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of 255. `most`: of the block that differs most, at `where` (x, y in pixels of the small picture)."""

    mean: float
    most: float
    where: tuple[int, int]

    @property
    def alike(self) -> bool:
        """Whether a person would call them the same."""
        return self.mean <= 1.0 and self.most <= 20


def read_png(raw: bytes) -> Image:
    """Rows, columns and three colours. Raises ValueError on what Chromium does not write."""
    if not raw.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("not a PNG")
    at, data, width, height, channels = 8, b"", 0, 0, 0
    while at < len(raw):
        length, kind = struct.unpack_from(">I4s", raw, at)
        body = raw[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            channels = {2: 3, 6: 4}.get(colour, 0)
            if depth != 8 or not channels or interlaced:
                raise ValueError(f"a PNG of depth {depth}, colour {colour}")
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * channels)
    found = np.zeros((height + 1, width * channels), np.uint8)
    for number, row in enumerate(rows):
        found[number + 1] = _unfiltered(int(row[0]), row[1:], found[number], channels)
    return found[1:].reshape(height, width, channels)[:, :, :3].astype(np.float64)


def _unfiltered(kind: int, row: Any, above: Any, step: int) -> Any:
    if kind == 0:
        return row
    if kind == 2:
        return row + above
    made = row.astype(np.int64)
    up = above.astype(np.int64)
    for at in range(len(made)):
        left, corner = (made[at - step], up[at - step]) if at >= step else (0, 0)
        guess = {1: left, 3: (left + up[at]) // 2}.get(kind)
        made[at] = (made[at] + (_paeth(left, up[at], corner) if guess is None else guess)) % 256
    return made.astype(np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def difference(one: Image, other: Image) -> Difference:
    """Of pictures of one width. Where one is longer, the rest of the other is empty, which is a difference."""
    if one.shape[1] != other.shape[1]:
        return Difference(255.0, 255.0, (0, 0))
    height = -(-max(len(one), len(other)) // BLOCK) * BLOCK
    width = one.shape[1] // BLOCK * BLOCK
    one, other = (_as_high(image, height)[:, :width] for image in (one, other))
    blocks = (one - other).reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean(axis=(1, 3))
    apart = np.abs(blocks).max(axis=2)
    row, column = np.unravel_index(int(apart.argmax()), apart.shape)
    return Difference(float(apart.mean()), float(apart.max()), (int(column) * BLOCK, int(row) * BLOCK))


def _as_high(image: Image, height: int) -> Image:
    """With rows of its last, which is background."""
    return np.concatenate([image, np.repeat(image[-1:], height - len(image), axis=0)])
