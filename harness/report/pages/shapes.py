"""The shapes of a drawn wait-for graph: boxes of nodes and the paths between them, in pixels. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from lockstep.harness.report.pages.wait_graph import Node
from lockstep.harness.report.width import middle_cut, wrapped

Point = tuple[float, float]
CHARACTER, TITLE_CHARACTER, LINE = 6.7, 7.6, 17.0  # of the font of the style sheet
PADDING, MARGIN = 12.0, 14.0
ROWS = 3  # of one text in a node
GAP = 46.0  # between layers
BEND = 38.0  # of one of two links between the same two nodes


class Box(NamedTuple):
    """A node, by its middle."""

    x: float
    y: float
    width: float
    height: float
    title: str
    lines: tuple[str, ...]
    library: str
    blamed: bool

    @property
    def left(self) -> float:
        """Of its frame."""
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        """Of its frame."""
        return self.y - self.height / 2


class Arrow(NamedTuple):
    """A link, as the path of an SVG."""

    path: str
    needs: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph with its places, in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def box(node: Node, middle: Point, most: int) -> Box:
    """A node at its place, its texts folded to `most` characters."""
    title, *rest = _folded(node.title, most) or [""]
    lines = (*rest, *(row for line in node.lines for row in _folded(line, most)))
    return Box(*middle, *_size(title, lines), title, lines, node.library, node.blamed)


def _size(title: str, lines: Sequence[str]) -> tuple[float, float]:
    width = max([len(title) * TITLE_CHARACTER, *(len(line) * CHARACTER for line in lines)]) + 2 * PADDING
    return width, LINE * (1 + len(lines)) + PADDING


def _folded(text: str, most: int) -> list[str]:
    """Between words. Of a word without room, and of a text of many rows, both ends tell more than the middle."""
    rows = wrapped(text, most)
    kept = [*rows[: ROWS - 1], " ".join(rows[ROWS - 1 :])] if len(rows) > ROWS else rows
    return [middle_cut(row, most) for row in kept]


def points(source: Box, target: Box, way: list[Point], pair: bool) -> list[Point]:
    """From frame to frame. Two links between the same two nodes bend away from each other."""
    if not way and pair:
        dx, dy = target.x - source.x, target.y - source.y
        length = max(1.0, (dx * dx + dy * dy) ** 0.5)
        way = [((source.x + target.x) / 2 - dy / length * BEND, (source.y + target.y) / 2 + dx / length * BEND)]
    first, last = (way[0], way[-1]) if way else ((target.x, target.y), (source.x, source.y))
    return [_frame(source, first, 1.0), *way, _frame(target, last, 5.0)]


def _frame(box: Box, towards: Point, gap: float) -> Point:
    """Where the line from a box's middle leaves its frame."""
    dx, dy = towards[0] - box.x, towards[1] - box.y
    if not dx and not dy:
        return box.x, box.y
    width, height = box.width / 2 + gap, box.height / 2 + gap
    part = min(width / abs(dx) if dx else float("inf"), height / abs(dy) if dy else float("inf"))
    return box.x + dx * part, box.y + dy * part


def path(points: Sequence[Point]) -> str:
    """Through all points, round at each."""
    (x, y), *rest = points
    made = f"M{x:.1f} {y:.1f}"
    for (bend_x, bend_y), (next_x, next_y) in pairwise(rest):
        last = (next_x, next_y) == rest[-1]
        to_x, to_y = (next_x, next_y) if last else ((bend_x + next_x) / 2, (bend_y + next_y) / 2)
        made += f"Q{bend_x:.1f} {bend_y:.1f} {to_x:.1f} {to_y:.1f}"
    return made if len(rest) > 1 else f"{made}L{rest[0][0]:.1f} {rest[0][1]:.1f}"
